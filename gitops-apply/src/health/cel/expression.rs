//! One expression: compiled with bounds, evaluated on an object with bounds.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Program, Value as CelValue,
    common::ast::{EntryExpr, Expr, operators},
    objects::{Key, Map},
};
use gitops_core::{Manifest, health::HealthError};
use serde_json::Value;

use super::CelRuleError;

/// The longest expression, in bytes.
const LONGEST: usize = 4096;
/// How deep expressions nest, loops (`exists`, `all`, `map`, `filter`) apart.
const DEEPEST: u16 = 48;
/// How deep loops nest.
const LOOPS: usize = 2;
/// How many steps an expression may take on an object.
const STEPS: usize = 2_000_000;

/// Functions besides operators.
const FUNCTIONS: [&str; 35] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "int",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
    "value",
];

/// CEL as health rules speak it.
pub(super) struct Language {
    env: Arc<Env>,
}

impl Default for Language {
    fn default() -> Self {
        Self {
            env: Arc::new(Env::stdlib()),
        }
    }
}

/// An expression that can be evaluated.
pub(super) struct Expression {
    program: Program,
    /// The fields of the object that it may name.
    fields: BTreeSet<String>,
    /// Nodes outside of loops, in loops, and in loops within loops.
    nodes: [usize; LOOPS + 1],
    /// How many times as long as a list of the object a list can be that it makes.
    growth: usize,
}

/// What a test gives.
pub(super) enum Answer {
    /// An answer.
    Is(bool),
    /// The object has not got what the test asks for.
    NotYet(String),
}

enum Failure {
    NotYet(String),
    Wrong(String),
}

impl Language {
    /// Compiles an expression that stands in a field of an entry.
    pub(super) fn compile(
        &self,
        index: usize,
        field: &str,
        text: &str,
    ) -> Result<Expression, CelRuleError> {
        let field = field.to_owned();
        let limit = |limit: &'static str, allowed: usize| CelRuleError::LimitExceeded {
            index,
            field: field.clone(),
            limit,
            allowed,
        };
        if text.len() > LONGEST {
            return Err(limit("length in bytes", LONGEST));
        }
        if nesting(text) > usize::from(DEEPEST) {
            return Err(limit("nesting", usize::from(DEEPEST)));
        }
        let program = self
            .env
            .compile(text)
            .map_err(|errors| CelRuleError::Expression {
                index,
                field: field.clone(),
                reason: errors.to_string(),
            })?;
        let references = program.references();
        let unknown = references
            .functions()
            .into_iter()
            .find(|name| is_word(name) && !FUNCTIONS.contains(name));
        if let Some(function) = unknown {
            return Err(CelRuleError::UnknownFunction {
                index,
                field: field.clone(),
                function: function.to_owned(),
            });
        }
        let fields = references
            .variables()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut count = Count::default();
        count.expression(program.expression(), 0, 0);
        if count.too_deep {
            return Err(limit("nesting", usize::from(DEEPEST)));
        }
        if count.too_many_loops {
            return Err(limit("loops within loops", LOOPS));
        }
        let growth = count.additions + 1;
        Ok(Expression {
            fields,
            nodes: count.nodes,
            growth,
            program,
        })
    }

    /// Evaluates a test.
    pub(super) fn test(
        &self,
        expression: &Expression,
        object: &Manifest,
    ) -> Result<Answer, HealthError> {
        match self.evaluate(expression, object) {
            Ok(CelValue::Bool(answer)) => Ok(Answer::Is(answer)),
            Ok(other) => Err(malformed(
                object,
                &format!("its rule gives {}, not true or false", other.type_of()),
            )),
            Err(Failure::NotYet(what)) => Ok(Answer::NotYet(what)),
            Err(Failure::Wrong(reason)) => Err(malformed(object, &reason)),
        }
    }

    /// Evaluates a text; empty where the object has not got what it is made of.
    pub(super) fn text(
        &self,
        expression: &Expression,
        object: &Manifest,
    ) -> Result<String, HealthError> {
        match self.evaluate(expression, object) {
            Ok(CelValue::String(text)) => Ok(text.to_string()),
            Ok(CelValue::Null) | Err(Failure::NotYet(_)) => Ok(String::new()),
            Ok(other) => Err(malformed(
                object,
                &format!("the message of its rule is {}, not a text", other.type_of()),
            )),
            Err(Failure::Wrong(reason)) => Err(malformed(object, &reason)),
        }
    }

    fn evaluate(&self, expression: &Expression, object: &Manifest) -> Result<CelValue, Failure> {
        let mut context = Context::with_env(self.env.clone());
        let mut longest = 1;
        for field in &expression.fields {
            if let Some(value) = object.as_map().get(field) {
                context.add_variable_from_value(field.as_str(), convert(value, &mut longest));
            }
        }
        if expression.steps(longest) > STEPS {
            return Err(Failure::Wrong(format!(
                "its rule may take more than {STEPS} steps on this object"
            )));
        }
        expression
            .program
            .execute(&context)
            .map_err(|error| match error {
                ExecutionError::NoSuchKey(key) => Failure::NotYet(key.to_string()),
                ExecutionError::UndeclaredReference(name)
                    if expression.fields.contains(name.as_str()) =>
                {
                    Failure::NotYet(name.to_string())
                }
                ExecutionError::IndexOutOfBounds(_) => Failure::NotYet("such an item".to_owned()),
                // Errors hold values of the object, which may be secret: only their kind is told.
                error => {
                    Failure::Wrong(format!("its rule cannot be evaluated: {}", kind_of(&error)))
                }
            })
    }
}

fn kind_of(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::UnexpectedType { got, want } => format!("{got} where {want} is needed"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number overflows".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "values cannot be compared".to_owned(),
        _ => "a function or operator does not take these values".to_owned(),
    }
}

fn malformed(object: &Manifest, reason: &str) -> HealthError {
    HealthError::Malformed {
        object: object.id().to_string(),
        reason: reason.to_owned(),
    }
}

impl Expression {
    /// How many steps it can take at most where no list or map is longer than `longest`.
    fn steps(&self, longest: usize) -> usize {
        let all: usize = self.nodes.iter().sum();
        let length = longest.saturating_mul(self.growth).max(all);
        let mut steps = 0_usize;
        let mut rounds = 1_usize;
        for nodes in self.nodes {
            steps = steps.saturating_add(nodes.saturating_mul(rounds));
            rounds = rounds.saturating_mul(length);
        }
        steps
    }
}

/// Whether a name is one that is written as a word, not an operator.
fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// How deep brackets nest: what the parser would have to descend.
fn nesting(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[derive(Default)]
struct Count {
    nodes: [usize; LOOPS + 1],
    additions: usize,
    too_many_loops: bool,
    too_deep: bool,
}

impl Count {
    /// Counts what an expression can do. The parser bounds the depth; so does this, for its own stack.
    fn expression(&mut self, node: &IdedExpr, loops: usize, depth: usize) {
        /// A tree of an expression of the longest text is no deeper than its operators are many.
        const TREE: usize = 512;
        if loops > LOOPS {
            self.too_many_loops = true;
            return;
        }
        if depth > TREE {
            self.too_deep = true;
            return;
        }
        self.nodes[loops] += 1;
        let depth = depth + 1;
        match &node.expr {
            Expr::Call(call) => {
                self.additions += usize::from(call.func_name == operators::ADD && loops == 0);
                let parts = call.target.as_deref().into_iter().chain(&call.args);
                parts.for_each(|part| self.expression(part, loops, depth));
            }
            Expr::Comprehension(comprehension) => {
                self.expression(&comprehension.iter_range, loops, depth);
                self.expression(&comprehension.accu_init, loops, depth);
                self.expression(&comprehension.loop_cond, loops + 1, depth);
                self.expression(&comprehension.loop_step, loops + 1, depth);
                self.expression(&comprehension.result, loops, depth);
            }
            Expr::List(list) => {
                for element in &list.elements {
                    self.expression(element, loops, depth);
                }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    self.entry(&entry.expr, loops, depth);
                }
            }
            Expr::Struct(fields) => {
                for entry in &fields.entries {
                    self.entry(&entry.expr, loops, depth);
                }
            }
            Expr::Select(select) => self.expression(&select.operand, loops, depth),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr, loops: usize, depth: usize) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value, loops, depth),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key, loops, depth);
                self.expression(&entry.value, loops, depth);
            }
        }
    }
}

/// A JSON value as CEL has it; integers are `int`, as in Kubernetes. Notes the longest list or map.
fn convert(value: &Value, longest: &mut usize) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => CelValue::Int(number),
            (None, Some(number), _) => CelValue::UInt(number),
            (None, None, number) => CelValue::Float(number.unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => {
            *longest = items.len().max(*longest);
            let items = items.iter().map(|item| convert(item, longest)).collect();
            CelValue::List(Arc::new(items))
        }
        Value::Object(fields) => {
            *longest = fields.len().max(*longest);
            let fields: HashMap<Key, CelValue> = fields
                .iter()
                .map(|(key, value)| {
                    let key = Key::String(Arc::new(key.clone()));
                    (key, convert(value, longest))
                })
                .collect();
            CelValue::Map(Map {
                map: Arc::new(fields),
            })
        }
    }
}
