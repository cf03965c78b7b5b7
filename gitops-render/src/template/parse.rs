//! From tokens to templates.

use std::sync::Arc;

use gitops_core::go::quote;

use super::{
    ast::{Branch, Command, Node, Operand, Pipe, Source, Template, Variable, is_blank},
    containers::with_stack,
    lex::{Lexer, Token, TokenKind},
    literal,
};
use crate::funcs::Registry;

/// Parenthesised expressions may nest so deep, as in Go.
const MAXIMUM_NESTING: usize = 10_000;

/// Why a text is no template.
#[derive(Debug)]
pub(super) enum ParseFailure {
    /// Go's text: `template: NAME:LINE: MESSAGE`.
    Message(String),
    /// Actions nest deeper than this.
    TooDeep(u32),
}

/// Parses a text: the template of its own name, and those that it defines.
pub(super) fn parse(
    name: &str,
    text: &[u8],
    functions: &Registry,
    depth: u32,
) -> Result<Vec<Arc<Template>>, ParseFailure> {
    let source = Arc::new(Source {
        name: name.into(),
        text: text.into(),
    });
    let mut parser = Parser {
        lexer: Lexer::new(&source.text),
        source: &source,
        functions,
        names: vec!["$".into()],
        templates: Vec::new(),
        tree: Tree::new(name.into()),
        depth_left: depth,
        depth,
    };
    parser.parse()?;
    Ok(parser.templates)
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    source: &'s Arc<Source>,
    functions: &'s Registry,
    /// Names of variables by their id.
    names: Vec<Box<str>>,
    templates: Vec<Arc<Template>>,
    tree: Tree,
    depth_left: u32,
    depth: u32,
}

/// What is particular to one template of the text: the look-ahead, and what is in scope.
struct Tree {
    name: Box<str>,
    tokens: [Token; 3],
    peeked: usize,
    variables: Vec<u32>,
    action_line: usize,
    range_depth: usize,
    nesting: usize,
}

impl Tree {
    fn new(name: Box<str>) -> Self {
        Self {
            name,
            tokens: [Token::none(), Token::none(), Token::none()],
            peeked: 0,
            variables: vec![0],
            action_line: 0,
            range_depth: 0,
            nesting: 0,
        }
    }
}

type Parsed<T> = Result<T, ParseFailure>;

/// What ended a list of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    End,
    Else,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    Ending(Ending),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Parser<'_> {
    // Tokens.

    fn next(&mut self) -> Token {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked].clone()
    }

    fn back(&mut self) {
        self.tree.peeked += 1;
    }

    fn back2(&mut self, first: Token) {
        self.tree.tokens[1] = first;
        self.tree.peeked = 2;
    }

    fn back3(&mut self, second: Token, first: Token) {
        self.tree.tokens[1] = first;
        self.tree.tokens[2] = second;
        self.tree.peeked = 3;
    }

    fn peek(&mut self) -> &Token {
        if self.tree.peeked == 0 {
            self.tree.peeked = 1;
            self.tree.tokens[0] = self.lexer.next_token();
        }
        &self.tree.tokens[self.tree.peeked - 1]
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.back();
        token
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    fn bytes(&self, token: &Token) -> &[u8] {
        &self.source.text[token.start..token.end]
    }

    fn text(&self, token: &Token) -> String {
        String::from_utf8_lossy(self.bytes(token)).into_owned()
    }

    // Errors.

    fn error<T>(&self, message: impl AsRef<str>) -> Parsed<T> {
        Err(ParseFailure::Message(format!(
            "template: {}:{}: {}",
            self.source.name,
            self.tree.tokens[0].line,
            message.as_ref()
        )))
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        let described = self.describe(token);
        if token.kind != TokenKind::Error {
            return self.error(format!("unexpected {described} in {context}"));
        }
        let mut extra = String::new();
        if self.tree.action_line != 0 && self.tree.action_line != token.line {
            let place = format!("{}:{}", self.source.name, self.tree.action_line);
            extra = if described.ends_with(" action") {
                format!(" started at {place}")
            } else {
                format!(" in action started at {place}")
            };
        }
        self.error(format!("{described}{extra}"))
    }

    fn describe(&self, token: &Token) -> String {
        match token.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => token.message.as_deref().unwrap_or_default().to_owned(),
            kind if kind.is_keyword() => format!("<{}>", self.text(token)),
            _ => {
                let bytes = self.bytes(token);
                if bytes.len() <= 10 {
                    return quote(bytes);
                }
                let mut end = 0;
                for _ in 0..10 {
                    let Some((_, width)) = super::lex::decode(&bytes[end..]) else {
                        break;
                    };
                    end += width;
                }
                format!("{}...", quote(&bytes[..end]))
            }
        }
    }

    // Templates.

    fn parse(&mut self) -> Parsed<()> {
        let mut body = Vec::new();
        while self.peek().kind != TokenKind::Eof {
            if self.peek().kind == TokenKind::LeftDelimiter {
                let delimiter = self.next();
                if self.next_non_space().kind == TokenKind::Define {
                    self.definition()?;
                    continue;
                }
                self.back2(delimiter);
            }
            match self.item()? {
                Item::Node(node) => body.push(node),
                Item::Ending(ending) => {
                    return self.error(format!("unexpected {}", ending.name()));
                }
            }
        }
        self.add(body)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.tree, Tree::new("definition".into()));
        let token = self.next_non_space();
        if !matches!(token.kind, TokenKind::String | TokenKind::RawString) {
            return self.unexpected(&token, CONTEXT);
        }
        self.tree.name = self.unquote(&token)?.into();
        self.expect(TokenKind::RightDelimiter, CONTEXT)?;
        let (body, ending) = self.list()?;
        if ending != Ending::End {
            return self.error(format!("unexpected {} in {CONTEXT}", ending.name()));
        }
        self.add(body)?;
        self.tree = outer;
        Ok(())
    }

    /// Adds the current template: within one text only blank definitions may be replaced.
    fn add(&mut self, body: Vec<Node>) -> Parsed<()> {
        let name = self.tree.name.clone();
        let existing = self
            .templates
            .iter()
            .position(|template| template.name == name);
        let is_new_blank = is_blank(&body);
        let template = Arc::new(Template {
            name,
            source: Arc::clone(self.source),
            body,
        });
        match existing {
            None => self.templates.push(template),
            Some(index) if self.templates[index].is_blank() => self.templates[index] = template,
            Some(_) if is_new_blank => {}
            Some(_) => {
                return self.error(format!(
                    "template: multiple definition of template {}",
                    quote(template.name.as_bytes())
                ));
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        let Some(left) = self.depth_left.checked_sub(1) else {
            return Err(ParseFailure::TooDeep(self.depth));
        };
        self.depth_left = left;
        let result = with_stack(|| {
            let mut body = Vec::new();
            while self.peek_non_space().kind != TokenKind::Eof {
                match self.item()? {
                    Item::Node(node) => body.push(node),
                    Item::Ending(ending) => return Ok((body, ending)),
                }
            }
            self.error("unexpected EOF")
        });
        self.depth_left += 1;
        result
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Text => Ok(Item::Node(Node::Text {
                text: self.bytes(&token).into(),
            })),
            TokenKind::LeftDelimiter => {
                self.tree.action_line = token.line;
                let item = self.action();
                self.tree.action_line = 0;
                item
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => self.leave("{{break}}", Node::Break)?,
            TokenKind::Continue => self.leave("{{continue}}", Node::Continue)?,
            TokenKind::Else => {
                let next = self.peek_non_space();
                if !matches!(next.kind, TokenKind::If | TokenKind::With) {
                    self.expect(TokenKind::RightDelimiter, "else")?;
                }
                return Ok(Item::Ending(Ending::Else));
            }
            TokenKind::End => {
                self.expect(TokenKind::RightDelimiter, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            TokenKind::If => Node::If(self.control(Control::If)?),
            TokenKind::Range => Node::Range(self.control(Control::Range)?),
            TokenKind::Template => self.template()?,
            TokenKind::With => Node::With(self.control(Control::With)?),
            _ => {
                self.back();
                let position = self.peek().start;
                let pipe = self.pipeline("command", TokenKind::RightDelimiter)?;
                Node::Action { position, pipe }
            }
        };
        Ok(Item::Node(node))
    }

    fn leave(&mut self, name: &str, node: Node) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != TokenKind::RightDelimiter {
            return self.unexpected(&token, name);
        }
        if self.tree.range_depth == 0 {
            return self.error(format!("{name} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn control(&mut self, control: Control) -> Parsed<Branch> {
        let in_scope = self.tree.variables.len();
        let context = match control {
            Control::If => "if",
            Control::With => "with",
            Control::Range => "range",
        };
        let pipe = self.pipeline(context, TokenKind::RightDelimiter)?;
        if control == Control::Range {
            self.tree.range_depth += 1;
        }
        let (body, ending) = self.list()?;
        if control == Control::Range {
            self.tree.range_depth -= 1;
        }
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(control)?),
        };
        self.tree.variables.truncate(in_scope);
        Ok(Branch {
            position: pipe.position,
            pipe,
            body,
            otherwise,
        })
    }

    /// After `{{else`: a whole `if` or `with` of its own, or a list.
    fn otherwise(&mut self, control: Control) -> Parsed<Vec<Node>> {
        let next = self.peek().kind;
        if matches!(
            (control, next),
            (Control::If, TokenKind::If) | (Control::With, TokenKind::With)
        ) {
            self.next();
            let Some(left) = self.depth_left.checked_sub(1) else {
                return Err(ParseFailure::TooDeep(self.depth));
            };
            self.depth_left = left;
            let branch = with_stack(|| self.control(control));
            self.depth_left += 1;
            let branch = branch?;
            return Ok(vec![match control {
                Control::If => Node::If(branch),
                _ => Node::With(branch),
            }]);
        }
        let (body, ending) = self.list()?;
        if ending != Ending::End {
            return self.error(format!("expected end; found {}", ending.name()));
        }
        Ok(body)
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelimiter)?;
        let outer = std::mem::replace(&mut self.tree, Tree::new(name.clone().into()));
        let (body, ending) = self.list()?;
        if ending != Ending::End {
            return self.error(format!("unexpected {} in {CONTEXT}", ending.name()));
        }
        self.add(body)?;
        self.tree = outer;
        Ok(Node::Template {
            position: token.start,
            name: name.into(),
            pipe: Some(pipe),
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.back();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelimiter)?);
        }
        Ok(Node::Template {
            position: token.start,
            name: name.into(),
            pipe,
        })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&self, token: &Token) -> Parsed<String> {
        match literal::unquote(self.bytes(token)) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(message) => self.error(message),
        }
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: TokenKind) -> Parsed<Pipe> {
        let mut pipe = Pipe {
            position: self.peek_non_space().start,
            is_assignment: false,
            declarations: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParenthesis => {
                    self.back();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.operands[0],
                Operand::Bool { .. }
                    | Operand::Dot { .. }
                    | Operand::Nil { .. }
                    | Operand::Number { .. }
                    | Operand::String { .. }
            ) {
                let stage = index + 1;
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(pipe)
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                return Ok(());
            }
            self.next();
            let after = self.peek().clone();
            let next = self.peek_non_space();
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    pipe.is_assignment = next.kind == TokenKind::Assign;
                    self.next_non_space();
                    self.declare(pipe, &variable);
                    return Ok(());
                }
                TokenKind::Char if self.bytes(&next) == b"," => {
                    self.next_non_space();
                    self.declare(pipe, &variable);
                    if context == "range" && pipe.declarations.len() < 2 {
                        match self.peek_non_space().kind {
                            TokenKind::Variable
                            | TokenKind::RightDelimiter
                            | TokenKind::RightParenthesis => continue,
                            _ => return self.error("range can only initialize variables"),
                        }
                    }
                    return self.error(format!("too many declarations in {context}"));
                }
                _ if after.kind == TokenKind::Space => {
                    self.back3(variable, after);
                    return Ok(());
                }
                _ => {
                    self.back2(variable);
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, token: &Token) {
        let name = self.text(token);
        let id = self.variable_id(&name);
        pipe.declarations.push(Variable {
            id,
            name: name.into(),
        });
        self.tree.variables.push(id);
    }

    fn variable_id(&mut self, name: &str) -> u32 {
        match self.names.iter().position(|known| **known == *name) {
            Some(index) => index as u32,
            None => {
                self.names.push(name.into());
                (self.names.len() - 1) as u32
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut operands = Vec::new();
        let position = self.peek_non_space().start;
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParenthesis => self.back(),
                TokenKind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if operands.is_empty() {
            return self.error("empty command");
        }
        Ok(Command { position, operands })
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != TokenKind::Field {
            return Ok(Some(operand));
        }
        let chain_position = self.peek().start;
        let mut chain = Vec::new();
        while self.peek().kind == TokenKind::Field {
            let token = self.next();
            chain.push(self.text(&token)[1..].into());
        }
        match &mut operand {
            Operand::Field { position, fields }
            | Operand::Variable {
                position, fields, ..
            } => {
                *position = chain_position;
                fields.append(&mut chain);
            }
            Operand::Bool { .. }
            | Operand::String { .. }
            | Operand::Number { .. }
            | Operand::Nil { .. }
            | Operand::Dot { .. } => {
                return self.error(format!(
                    "unexpected . after term {}",
                    quote(operand.to_string())
                ));
            }
            _ => {
                operand = Operand::Chain {
                    position: chain_position,
                    operand: Box::new(operand),
                    fields: chain,
                };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let position = token.start;
        Ok(Some(match token.kind {
            TokenKind::Identifier => {
                let name = self.text(&token);
                let Some(function) = self.functions.get(&name) else {
                    return self.error(format!("function {} not defined", quote(&name)));
                };
                Operand::Function {
                    position,
                    function: Arc::clone(function),
                    name: name.into(),
                }
            }
            TokenKind::Dot => Operand::Dot { position },
            TokenKind::Nil => Operand::Nil { position },
            TokenKind::Variable => {
                let name = self.text(&token);
                let id = self.variable_id(&name);
                if !self.tree.variables.contains(&id) {
                    return self.error(format!("undefined variable {}", quote(&name)));
                }
                Operand::Variable {
                    position,
                    variable: Variable {
                        id,
                        name: name.into(),
                    },
                    fields: Vec::new(),
                }
            }
            TokenKind::Field => Operand::Field {
                position,
                fields: vec![self.text(&token)[1..].into()],
            },
            TokenKind::Bool => Operand::Bool {
                position,
                value: self.bytes(&token) == b"true",
            },
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                match literal::number(&self.text(&token), token.kind) {
                    Ok(number) => Operand::Number {
                        position,
                        number: Box::new(number),
                    },
                    Err(message) => return self.error(message),
                }
            }
            TokenKind::LeftParenthesis => {
                if self.tree.nesting >= MAXIMUM_NESTING {
                    return self.error("max expression depth exceeded");
                }
                self.tree.nesting += 1;
                let pipe = with_stack(|| {
                    self.pipeline("parenthesized pipeline", TokenKind::RightParenthesis)
                });
                self.tree.nesting -= 1;
                Operand::Pipe(Box::new(pipe?))
            }
            TokenKind::String | TokenKind::RawString => {
                let text = match literal::unquote(self.bytes(&token)) {
                    Ok(text) => text,
                    Err(message) => return self.error(message),
                };
                Operand::String {
                    position,
                    quoted: self.text(&token).into(),
                    text: text.into(),
                }
            }
            _ => {
                self.back();
                return Ok(None);
            }
        }))
    }
}
