//! How the engine is configured for a version of Helm, and what bounds a render.

use super::types::MapType;

/// How the template engine behaves; what differs between versions of Helm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineOptions {
    /// How errors of execution are printed.
    pub errors: ErrorFormat,
    /// Which functions there are.
    pub functions: FunctionSet,
    /// The Go type of `.Values` and `.Template`.
    pub values_type: MapType,
    /// Whether a missing key is an error.
    pub strict: bool,
}

impl EngineOptions {
    /// Helm 3.
    #[must_use]
    pub fn helm_3() -> Self {
        Self {
            errors: ErrorFormat::OneLine,
            functions: FunctionSet::Helm3,
            values_type: MapType::ChartutilValues,
            strict: false,
        }
    }

    /// Helm 4.3.
    #[must_use]
    pub fn helm_4() -> Self {
        Self {
            errors: ErrorFormat::Traced,
            functions: FunctionSet::Helm4_3,
            values_type: MapType::CommonValues,
            strict: false,
        }
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self::helm_4()
    }
}

/// How errors of execution are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorFormat {
    /// On one line, as Go does; Helm 3.
    OneLine,
    /// One block for each template in the chain; Helm 4.
    Traced,
}

/// Which functions beside text/template's and sprig's there are; later sets contain earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FunctionSet {
    /// Helm 3.
    Helm3,
    /// `mustToYaml`, `mustToJson` that panics.
    Helm4_0,
    /// `mustToToml`.
    Helm4_2,
    /// Functions for durations.
    Helm4_3,
}

/// What bounds one render. Reaching a bound is [`super::TemplateError::LimitExceeded`], except
/// where Helm has an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Steps of execution: nodes, function calls, and work of functions in proportion to its size.
    pub steps: u64,
    /// Bytes of the output of one file, and of every text on the way to it.
    pub output_bytes: u64,
    /// Items of one list that a function makes (`until`, `seq`).
    pub list_items: u64,
    /// Nested `{{ template }}` actions. At Go's 100000 the error is Go's.
    pub template_depth: u32,
    /// Nested `include`s and `tpl`s of all names together. (Helm itself allows 1000 of each name.)
    pub include_depth: u32,
    /// Nesting of values that are printed, encoded or copied.
    pub value_depth: u32,
    /// Nesting of actions in the text of a template.
    pub parse_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 500_000_000,
            output_bytes: 256 << 20,
            list_items: 10_000_000,
            template_depth: 100_000,
            include_depth: 20_000,
            value_depth: 10_000,
            parse_depth: 10_000,
        }
    }
}
