//! Values that are never shown: what a program says is told without them.
//!
//! Invariant: nothing but the program that they are meant for gets to see them.

/// What is never to be shown.
#[derive(Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Line by line: what is shown is shown in lines.
    pub fn keep(&mut self, value: &str) {
        self.0.extend(value.lines().filter(|line| !line.trim().is_empty()).map(str::to_string));
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
}
