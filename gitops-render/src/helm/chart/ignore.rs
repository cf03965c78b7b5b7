//! `.helmignore`.

use gitops_core::glob::{BadPattern, file_path_match};

use crate::helm::HelmError;

/// The rules of a `.helmignore`, in order; the first that speaks about a path decides.
#[derive(Debug, Default)]
pub(crate) struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    /// What every name that matches begins with.
    prefix: String,
    /// What every name that matches ends with.
    suffix: String,
    /// Everything that does *not* match is ignored.
    negated: bool,
    directories_only: bool,
    /// The pattern is for the whole path, not for its last part.
    whole_path: bool,
}

impl IgnoreRules {
    pub(crate) fn parse(text: &str) -> Result<Self, HelmError> {
        let mut rules = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines() {
            rules.add(line)?;
        }
        Ok(rules)
    }

    /// Adds what is ignored in every chart: hidden files among the templates.
    pub(crate) fn with_defaults(mut self) -> Self {
        self.add("templates/.?*")
            .expect("the built-in pattern is well formed");
        self
    }

    fn add(&mut self, line: &str) -> Result<(), HelmError> {
        let rule = line.trim();
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains("**") {
            return Err(HelmError::chart("double-star (**) syntax is not supported"));
        }
        file_path_match(rule, "abc")
            .map_err(|error: BadPattern| HelmError::chart(error.to_string()))?;
        let (negated, rule) = match rule.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, rule),
        };
        let (directories_only, rule) = match rule.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, rule),
        };
        let whole_path = rule.contains('/');
        let rule = rule.strip_prefix('/').unwrap_or(rule);
        let is_literal = |c: char| !matches!(c, '*' | '?' | '[' | ']' | '\\');
        let suffix = match rule.rfind(|c| !is_literal(c)) {
            // An escape or a range may reach beyond its last special character.
            Some(last) if rule[last..].starts_with('*') && !rule.contains(['[', '\\']) => {
                &rule[last + 1..]
            }
            Some(_) => "",
            None => rule,
        };
        self.rules.push(Rule {
            pattern: rule.to_owned(),
            prefix: rule.chars().take_while(|c| is_literal(*c)).collect(),
            suffix: suffix.to_owned(),
            negated,
            directories_only,
            whole_path,
        });
        Ok(())
    }

    pub(crate) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        let last = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.rules {
            let applies = is_directory || !rule.directories_only;
            let name = if rule.whole_path { path } else { last };
            let matched = applies
                && name.starts_with(&rule.prefix)
                && name.ends_with(&rule.suffix)
                && file_path_match(&rule.pattern, name).unwrap_or(false);
            if matched != rule.negated {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::IgnoreRules;

    #[test]
    fn the_first_rule_that_speaks_decides() {
        for (rules, path, directory, ignored) in [
            ("*.txt", "a/b.txt", false, true),
            ("/*.txt", "a/b.txt", false, false),
            ("/*.txt", "b.txt", false, true),
            ("a/*.txt", "a/b.txt", false, true),
            ("dir/", "dir", true, true),
            ("dir/", "dir", false, false),
            ("!keep", "other", false, true),
            ("!keep", "keep", false, false),
            ("!keep/", "keep", false, true),
            ("# note\n\n  x  ", "x", false, true),
            ("", "templates/.hidden", false, true),
            ("", "templates/sub/.hidden", false, false),
            ("", "templates/.x/y", false, false),
        ] {
            let parsed = IgnoreRules::parse(rules).unwrap().with_defaults();
            assert_eq!(parsed.ignores(path, directory), ignored, "{rules} {path}");
        }
        assert!(IgnoreRules::parse("a/**/b").is_err());
        assert!(IgnoreRules::parse("[").is_err());
    }
}
