//! What phones say by themselves: answers laid down beforehand, each given once.

use std::time::Duration;

use crate::model::private::Private;

/// One answer that a phone will give.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose phone, in E.164.
    pub number: Private<String>,
    /// Waits for a text that holds this; empty takes any.
    pub on: String,
    /// How long the person takes to write it.
    pub after: Duration,
    /// What they write.
    pub say: Private<String>,
}

/// The answers still to be given, in order.
#[derive(Clone, Debug, Default)]
pub struct Script(Vec<Line>);

impl Script {
    /// These answers, each given once; of a phone's answers only the first that fits is taken for a text.
    pub const fn new(lines: Vec<Line>) -> Self {
        Self(lines)
    }

    /// The answer to `text` on the phone with these `digits`, if one is left.
    pub(super) fn answer(&mut self, digits: &str, text: &str) -> Option<Line> {
        let fits = |line: &Line| {
            super::phones::digits(line.number.reveal()) == digits && text.contains(&line.on)
        };
        self.0.iter().position(fits).map(|at| self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Line, Script};
    use crate::model::private::Private;

    fn line(number: &str, on: &str, say: &str) -> Line {
        Line {
            number: Private::new(number.to_owned()),
            on: on.to_owned(),
            after: Duration::ZERO,
            say: Private::new(say.to_owned()),
        }
    }

    #[test]
    fn an_answer_is_given_once_and_to_a_text_that_fits() {
        let mut script = Script::new(vec![
            line("+8613800000001", "确认", "1"),
            line("+8613800000001", "", "谢谢"),
        ]);
        assert!(script.answer("8613800000002", "回复1确认").is_none());
        let said = |script: &mut Script, text: &str| {
            script
                .answer("8613800000001", text)
                .map(|l| l.say.into_revealed())
        };
        assert_eq!(said(&mut script, "回复1确认"), Some("1".to_owned()));
        assert_eq!(said(&mut script, "回复1确认"), Some("谢谢".to_owned()));
        assert_eq!(said(&mut script, "回复1确认"), None);
    }
}
