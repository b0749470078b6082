//! How long a schedule that is watched may rest: until something comes due or is late, or until it is worth looking again.
//!
//! Pure. Invariant: no rest is longer than [`LONGEST`], so that a clock that was set wrong, or an edited manifest, is noticed soon.

/// What is failing is tried again after this, then after twice as much, and so on.
const FIRST_RETRY: i64 = 60_000;

/// So often it is looked whether an input has come.
const WAITING: i64 = 60_000;

const LONGEST: i64 = 600_000;

/// What a look at a schedule has shown; moments are those after the instant of that look, and may have passed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// When the next period comes due.
    pub next: Option<i64>,
    /// When the next open one is late.
    pub late: Option<i64>,
    /// Something waits for its input.
    pub waiting: bool,
    /// Something has failed.
    pub failed: bool,
}

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Rest {
    failures: u32,
}

impl Outlook {
    /// The moment that ends a rest, whatever else does.
    pub fn wake(&self) -> Option<i64> {
        [self.next, self.late].into_iter().flatten().min()
    }
}

impl Rest {
    /// How many milliseconds to rest after a look, if no moment that is known of comes first.
    pub fn after(&mut self, outlook: Outlook) -> i64 {
        self.failures = if outlook.failed { self.failures.saturating_add(1) } else { 0 };
        let mut rest = LONGEST;
        if outlook.failed {
            rest = rest.min(FIRST_RETRY << (self.failures - 1).min(10));
        }
        if outlook.waiting {
            rest = rest.min(WAITING);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn it_wakes_for_what_comes_first() {
        let outlook = Outlook { next: Some(5), late: Some(3), ..Outlook::default() };
        assert_eq!((outlook.wake(), Rest::default().after(outlook)), (Some(3), LONGEST));
        assert_eq!(Rest::default().after(Outlook { waiting: true, ..outlook }), MINUTE);
        assert_eq!(Outlook::default().wake(), None);
    }

    #[test]
    fn what_fails_is_tried_again_less_and_less_often() {
        let mut rest = Rest::default();
        let failing = Outlook { failed: true, ..Outlook::default() };
        let rests: Vec<i64> = (0..6).map(|_| rest.after(failing) / MINUTE).collect();
        assert_eq!(rests, [1, 2, 4, 8, 10, 10]);
        rest.after(Outlook::default());
        assert_eq!(rest.after(failing), MINUTE);
    }
}
