//! Values that are never shown: what a program says is told without them.
//!
//! Invariant: nothing but the program that they are meant for gets to see them.

/// What is never to be shown.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Line by line: what is shown is shown in lines. Without the white space around them, which gets lost on the way, as the carriage returns
    /// of a file of variables do.
    pub fn keep(&mut self, value: &str) {
        self.0.extend(value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string));
        // The longest first: one secret may hold another.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// A text without any of them in it.
    pub fn redacted(&self, text: &str) -> String {
        self.0.iter().fold(text.to_string(), |text, secret| text.replace(secret, "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let mut secrets = Secrets::default();
        secrets.keep("abc");
        secrets.keep("xabcx\nsecond line");
        assert_eq!(secrets.redacted("abc xabcx second line"), "*** *** ***");
    }

    #[test]
    fn white_space_around_a_secret_need_not_be_there() {
        let mut secrets = Secrets::default();
        secrets.keep("from-a-file\r");
        secrets.keep(" with spaces \n\ttabbed\r\n \n");
        assert_eq!(secrets.redacted("from-a-file [with spaces] tabbed\r"), "*** [***] ***\r");
    }
}
