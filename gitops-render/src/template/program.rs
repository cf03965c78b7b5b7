//! Parsed templates that belong together, and their execution.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    ast::Template,
    context::Context,
    error::{TemplateError, parse_error},
    exec::State,
    host::Host,
    options::{EngineOptions, Limits},
    parse::{ParseFailure, parse},
    value::Value,
};
use crate::funcs::Registry;

/// The name that Helm gives to the template to which all others belong; errors show it.
pub(super) const ROOT: &str = "gotpl";

/// Templates by name. Names are looked up for every `include`.
pub(super) type Templates = HashMap<Box<str>, Arc<Template>, foldhash::fast::RandomState>;

/// Templates that see each other, parsed once. A program is shared between threads; executing it
/// changes nothing in it.
pub struct Program {
    options: EngineOptions,
    functions: Arc<Registry>,
    templates: Templates,
}

impl Program {
    /// Parses texts in their order. A later definition replaces an earlier one of the same name,
    /// unless the later one is blank; within one text a second definition is an error.
    pub fn parse<N: AsRef<str>, T: AsRef<[u8]>>(
        sources: impl IntoIterator<Item = (N, T)>,
        options: &EngineOptions,
    ) -> Result<Self, TemplateError> {
        Self::parse_with(sources, options, Registry::shared(options))
    }

    /// Like [`Program::parse`], with other functions.
    pub fn parse_with<N: AsRef<str>, T: AsRef<[u8]>>(
        sources: impl IntoIterator<Item = (N, T)>,
        options: &EngineOptions,
        functions: Arc<Registry>,
    ) -> Result<Self, TemplateError> {
        let mut templates = Templates::default();
        let depth = Limits::default().parse_depth;
        for (name, text) in sources {
            let name = name.as_ref();
            let parsed =
                parse(name, text.as_ref(), &functions, depth).map_err(|failure| match failure {
                    ParseFailure::Message(message) => parse_error(name, &message),
                    ParseFailure::TooDeep(allowed) => TemplateError::LimitExceeded {
                        limit: "parse_depth",
                        allowed: allowed.into(),
                        at: Some(name.to_owned()),
                    },
                })?;
            for template in parsed {
                associate(&mut templates, template, |_| false);
            }
        }
        Ok(Self {
            options: options.clone(),
            functions,
            templates,
        })
    }

    /// The options with which it was parsed.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// The functions that its templates may call.
    #[must_use]
    pub fn functions(&self) -> &Registry {
        &self.functions
    }

    /// Whether there is a template of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.templates.contains_key(name)
    }

    /// Executes the named template as Helm does for a file: `<no value>` is removed from the
    /// output. The output is nearly always UTF-8, but a template can cut a character in two.
    pub fn execute(
        &self,
        name: &str,
        dot: Value,
        host: &mut Host,
    ) -> Result<Vec<u8>, TemplateError> {
        self.session(host).execute(name, dot)
    }

    /// Starts a render in which several templates can be executed one after the other.
    #[must_use]
    pub fn session<'r>(&'r self, host: &'r mut Host) -> Session<'r> {
        Session {
            context: Context {
                program: self,
                host,
                state: State::default(),
            },
        }
    }

    pub(super) fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(name).map(|template| &**template)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("templates", &self.templates.keys())
            .finish_non_exhaustive()
    }
}

/// Executions of one render; texts that `tpl` parsed are kept between them.
pub struct Session<'r> {
    context: Context<'r>,
}

impl Session<'_> {
    /// Executes the named template; see [`Program::execute`].
    pub fn execute(&mut self, name: &str, dot: Value) -> Result<Vec<u8>, TemplateError> {
        let format = self.context.program.options.errors;
        self.context
            .execute_file(name, dot)
            .map_err(|error| error.into_execution_error(format))
    }

    /// The host.
    pub fn host(&mut self) -> &mut Host {
        self.context.host
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Adds a template, unless it is blank and there is one of its name already, here or where
/// `exists` knows.
pub(super) fn associate(
    templates: &mut Templates,
    template: Arc<Template>,
    exists: impl Fn(&str) -> bool,
) {
    if template.is_blank && (templates.contains_key(&template.name) || exists(&template.name)) {
        return;
    }
    templates.insert(template.name.clone(), template);
}
