//! Health rules of your own as CEL expressions, as Flux's `healthCheckExprs` has them.

mod expression;
mod file;
#[cfg(test)]
mod tests;

use gitops_core::{
    Classified, ErrorClass, Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthError, HealthStatus},
    yaml,
};

use self::{
    expression::{Answer, Expression, Language},
    file::Entry,
};

/// Health rules as CEL expressions, before those of another check.
///
/// The text is a YAML list (or an object with that list as `healthCheckExprs`). An entry names a kind
/// and when it is what:
///
/// * `apiVersion`: its group is what counts; `kind` may be left out and then means any kind of it.
/// * `inProgress`, `failed`, `current`: expressions, asked in this order; the first that is true makes
///   the object Progressing, Degraded or Healthy, and if none is, it is Progressing. So it is, too,
///   as long as `status.observedGeneration` is not `metadata.generation`. `current` is required.
/// * or instead of them `rules`: a list of `{when, status, message}`; the first `when` that is true
///   gives its status (`Healthy`, `Progressing`, `Suspended`, `Degraded`, …). Where none is, the object
///   is left to the other check.
/// * `message`: an expression for the reason, a text.
///
/// Expressions see the fields of the object by their names (`status`, `spec`, `metadata`, `data`, …).
/// The first entry for a kind counts. An expression that asks for a field that is not there makes the
/// object Progressing, since it may come; guard it by `has(…)` or `.?field.orValue(…)`. What is under
/// deletion, and what no entry speaks of, is left to the other check.
///
/// Expressions are bounded in length, nesting and in what they may cost on an object. Times and
/// durations are read by `timestamp(…)` and `duration(…)`, compared, added and taken apart
/// (`getHours()`, …), as CEL has it; what time it is they cannot ask, so that nothing depends on when
/// it is asked.
///
/// ```
/// use gitops_apply::health::{ArgoHealth, CelRules};
/// use gitops_core::{Manifest, clock::Timestamp, health::{HealthCheck, HealthStatus}};
/// let check = CelRules::parse(
///     r#"
/// - apiVersion: shop.example.com/v1
///   kind: Till
///   failed: status.conditions.exists(c, c.type == 'Open' && c.status == 'False')
///   current: status.conditions.exists(c, c.type == 'Open' && c.status == 'True')
///   message: status.conditions.filter(c, c.type == 'Open')[0].message
/// "#,
///     ArgoHealth,
/// )?;
/// let till = Manifest::try_from(serde_json::json!({
///     "apiVersion": "shop.example.com/v1", "kind": "Till", "metadata": {"name": "a"},
///     "status": {"conditions": [{"type": "Open", "status": "False", "message": "no coins"}]},
/// }))?;
/// let health = check.assess(&till, Timestamp::UNIX_EPOCH)?.expect("there is a rule");
/// assert_eq!((health.status, &*health.message), (HealthStatus::Degraded, "no coins"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CelRules<H> {
    language: Language,
    rules: Vec<Rule>,
    otherwise: H,
}

/// What is known of a kind.
struct Rule {
    group: String,
    kind: Option<String>,
    lines: Vec<Line>,
    /// Progressing where no line applies and where the status is not of the last generation.
    is_complete: bool,
}

struct Line {
    when: Expression,
    status: HealthStatus,
    message: Option<Expression>,
}

/// CEL health rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CelRuleError {
    /// The text is not YAML.
    #[error("the health rules are not YAML: {0}")]
    Yaml(#[from] yaml::YamlError),
    /// An entry has not the form of one.
    #[error("health rule {index}: {reason}")]
    Malformed {
        /// Which entry, from 1.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// An expression is not CEL.
    #[error("health rule {index}: `{field}` is not a CEL expression: {reason}")]
    Expression {
        /// Which entry, from 1.
        index: usize,
        /// The field that holds the expression.
        field: String,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// An expression calls what there is not.
    #[error("health rule {index}: `{field}` calls `{function}`, which is no function")]
    UnknownFunction {
        /// Which entry, from 1.
        index: usize,
        /// The field that holds the expression.
        field: String,
        /// The function.
        function: String,
    },
    /// An expression is too long or nests too deep.
    #[error("health rule {index}: `{field}` exceeds the limit {limit} of {allowed}; simplify it")]
    LimitExceeded {
        /// Which entry, from 1.
        index: usize,
        /// The field that holds the expression.
        field: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: usize,
    },
}

impl Classified for CelRuleError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

impl<H: HealthCheck> CelRules<H> {
    /// Reads rules. Every expression is compiled here, so that a bad one is known at once.
    ///
    /// # Errors
    /// When the text is not YAML, an entry has not the form of one, or an expression cannot be used.
    pub fn parse(text: &str, otherwise: H) -> Result<Self, CelRuleError> {
        let language = Language::default();
        let rules = file::entries(text)?
            .into_iter()
            .enumerate()
            .map(|(index, entry)| Rule::new(&language, index + 1, entry))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            language,
            rules,
            otherwise,
        })
    }
}

impl Rule {
    fn new(language: &Language, index: usize, entry: Entry) -> Result<Self, CelRuleError> {
        let malformed = |reason: &str| CelRuleError::Malformed {
            index,
            reason: reason.to_owned(),
        };
        let compile = |field: &str, text: &str| language.compile(index, field, text);
        let group = match entry.api_version.split_once('/') {
            Some((group, _)) => group.to_owned(),
            None => String::new(),
        };
        let is_complete = entry.rules.is_empty();
        let mut lines = Vec::new();
        if is_complete {
            if entry.current.is_none() {
                return Err(malformed("`current` is missing; write it, or `rules`"));
            }
            let expressions = [
                ("inProgress", entry.in_progress, HealthStatus::Progressing),
                ("failed", entry.failed, HealthStatus::Degraded),
                ("current", entry.current, HealthStatus::Healthy),
            ];
            for (field, text, status) in expressions {
                let Some(text) = text else { continue };
                let message = entry.message.as_deref();
                lines.push(Line {
                    when: compile(field, &text)?,
                    status,
                    message: message.map(|text| compile("message", text)).transpose()?,
                });
            }
        } else {
            if entry.current.is_some() || entry.in_progress.is_some() || entry.failed.is_some() {
                return Err(malformed(
                    "`rules` stands instead of `current`, `inProgress` and `failed`",
                ));
            }
            for (place, line) in entry.rules.into_iter().enumerate() {
                let message = line.message.as_deref().or(entry.message.as_deref());
                lines.push(Line {
                    when: compile(&format!("rules[{place}].when"), &line.when)?,
                    status: line.status,
                    message: message
                        .map(|text| compile(&format!("rules[{place}].message"), text))
                        .transpose()?,
                });
            }
        }
        Ok(Self {
            group,
            kind: entry.kind,
            lines,
            is_complete,
        })
    }

    fn is_for(&self, object: &Manifest) -> bool {
        self.group == object.group()
            && self
                .kind
                .as_deref()
                .is_none_or(|kind| kind == object.kind())
    }

    fn assess(
        &self,
        language: &Language,
        object: &Manifest,
    ) -> Result<Option<Health>, HealthError> {
        if self.is_complete
            && let Some(observed) = integer(object, "/status/observedGeneration")
            && let Some(generation) = integer(object, "/metadata/generation")
            && observed != generation
        {
            let message = format!("generation {generation} is not observed yet");
            return Ok(Some(Health::new(HealthStatus::Progressing, message)));
        }
        for line in &self.lines {
            match language.test(&line.when, object)? {
                Answer::Is(false) => {}
                Answer::Is(true) => {
                    let message = match &line.message {
                        Some(message) => language.text(message, object)?,
                        None => String::new(),
                    };
                    return Ok(Some(Health::new(line.status, message)));
                }
                Answer::NotYet(what) => {
                    let message = format!("there is no {what} yet");
                    return Ok(Some(Health::new(HealthStatus::Progressing, message)));
                }
            }
        }
        Ok(self
            .is_complete
            .then(|| Health::new(HealthStatus::Progressing, "")))
    }
}

fn integer(object: &Manifest, pointer: &str) -> Option<i64> {
    object.pointer(pointer)?.as_i64()
}

impl<H: HealthCheck> HealthCheck for CelRules<H> {
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError> {
        let rule = self.rules.iter().find(|rule| rule.is_for(object));
        if let Some(rule) = rule
            && !object.is_terminating()
            && let Some(health) = rule.assess(&self.language, object)?
        {
            return Ok(Some(health));
        }
        self.otherwise.assess(object, now)
    }
}
