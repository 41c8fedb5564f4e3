/// Whether a pattern fits the whole of a name. `*` stands for any characters, also none, `?` for one; all others stand
/// for themselves.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` did not fit: the star takes one character more.
    let mut retry = None;
    while let Some(char) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || c == char => (p, n) = (p + 1, n + 1),
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    (p, n) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name) in
            [("web", "web"), ("*", ""), ("*", "a/b"), ("web-*", "web-"), ("a*b*c", "axxbbyc"), ("?", "ä"), ("**", "x")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("web", "web2"),
            ("web", "Web"),
            ("", "x"),
            ("?", ""),
            ("web-*", "web"),
            ("a*b", "ab c"),
            ("[a]", "a"),
            ("\\*", "*"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    /// Slow, and clear.
    fn oracle(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => oracle(rest, name) || (!name.is_empty() && oracle(pattern, &name[1..])),
            (['?', rest @ ..], [_, tail @ ..]) => oracle(rest, tail),
            ([c, rest @ ..], [d, tail @ ..]) => c == d && oracle(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &name), oracle(&chars(&pattern), &chars(&name)));
        }
    }
}
