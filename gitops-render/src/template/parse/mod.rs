//! From tokens to templates.

mod pipeline;

use std::{borrow::Cow, sync::Arc};

use gitops_core::go::{quote, unicode};

use super::{
    ast::{Branch, Code, Command, Invocation, Node, Operand, Source, Template, Text},
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
    let mut parser = Parser {
        lexer: Lexer::new(text),
        source: name,
        text,
        functions,
        names: vec![b"$"],
        code: Code::default(),
        commands: Vec::new(),
        operands: Vec::new(),
        parsed: Vec::new(),
        tree: Tree::new(name.into()),
        depth_left: depth,
        depth,
    };
    parser.parse()?;
    let Parser {
        mut code, parsed, ..
    } = parser;
    code.commands.shrink_to_fit();
    code.operands.shrink_to_fit();
    code.fields.shrink_to_fit();
    let source = Arc::new(Source {
        name: name.into(),
        text: Text::new(text),
        code,
    });
    let template = |parsed: Definition| {
        Arc::new(Template {
            name: parsed.name,
            source: Arc::clone(&source),
            body: parsed.body,
            is_blank: parsed.is_blank,
        })
    };
    Ok(parsed.into_iter().map(template).collect())
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    source: &'s str,
    text: &'s [u8],
    functions: &'s Registry,
    /// Names of variables by their id.
    names: Vec<&'s [u8]>,
    code: Code,
    /// Commands of pipelines, and operands of commands, that are not complete yet.
    commands: Vec<Command>,
    operands: Vec<Operand>,
    parsed: Vec<Definition>,
    tree: Tree,
    depth_left: u32,
    depth: u32,
}

/// A template that was parsed.
struct Definition {
    name: Box<str>,
    body: Vec<Node>,
    is_blank: bool,
}

/// What is particular to one template of the text: the look-ahead, and what is in scope.
struct Tree {
    name: Box<str>,
    tokens: [Token; 3],
    peeked: usize,
    variables: Vec<u32>,
    /// Where the current action began.
    action: Option<Token>,
    range_depth: usize,
    nesting: usize,
}

impl Tree {
    fn new(name: Box<str>) -> Self {
        Self {
            name,
            tokens: [Token::NONE; 3],
            peeked: 0,
            variables: vec![0],
            action: None,
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

impl<'s> Parser<'s> {
    // Tokens.

    fn next(&mut self) -> Token {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked]
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

    fn peek(&mut self) -> Token {
        if self.tree.peeked == 0 {
            self.tree.peeked = 1;
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked - 1]
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
            self.unexpected(token, context)
        }
    }

    fn bytes(&self, token: Token) -> &'s [u8] {
        self.text
            .get(token.start as usize..token.end as usize)
            .unwrap_or_default()
    }

    fn text(&self, token: Token) -> Cow<'s, str> {
        String::from_utf8_lossy(self.bytes(token))
    }

    // Errors.

    #[cold]
    fn error<T>(&self, message: impl AsRef<str>) -> Parsed<T> {
        Err(ParseFailure::Message(format!(
            "template: {}:{}: {}",
            self.source,
            self.lexer.line(self.tree.tokens[0]),
            message.as_ref()
        )))
    }

    #[cold]
    fn unexpected<T>(&self, token: Token, context: &str) -> Parsed<T> {
        let described = self.describe(token);
        if token.kind != TokenKind::Error {
            return self.error(format!("unexpected {described} in {context}"));
        }
        let mut extra = String::new();
        if let Some(action) = self.tree.action
            && self.lexer.line(action) != self.lexer.line(token)
        {
            let place = format!("{}:{}", self.source, self.lexer.line(action));
            extra = if described.ends_with(" action") {
                format!(" started at {place}")
            } else {
                format!(" in action started at {place}")
            };
        }
        self.error(format!("{described}{extra}"))
    }

    fn describe(&self, token: Token) -> String {
        match token.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => self.lexer.message().to_owned(),
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
            return self.unexpected(token, CONTEXT);
        }
        self.tree.name = self.unquote(token)?.into();
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
        let existing = self.parsed.iter().position(|known| known.name == name);
        let is_blank = body.iter().all(|node| match node {
            Node::Text { text } => {
                String::from_utf8_lossy(&self.text[text.start as usize..text.end as usize])
                    .chars()
                    .all(unicode::is_space)
            }
            _ => false,
        });
        let definition = Definition {
            name,
            body,
            is_blank,
        };
        match existing {
            None => self.parsed.push(definition),
            Some(index) if self.parsed[index].is_blank => self.parsed[index] = definition,
            Some(_) if is_blank => {}
            Some(_) => {
                return self.error(format!(
                    "template: multiple definition of template {}",
                    quote(definition.name.as_bytes())
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
            TokenKind::Text => Ok(Item::Node(Node::Text { text: token.span() })),
            TokenKind::LeftDelimiter => {
                self.tree.action = Some(token);
                let item = self.action();
                self.tree.action = None;
                item
            }
            _ => self.unexpected(token, "input"),
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
            TokenKind::If => Node::If(Box::new(self.control(Control::If)?)),
            TokenKind::Range => Node::Range(Box::new(self.control(Control::Range)?)),
            TokenKind::Template => self.template()?,
            TokenKind::With => Node::With(Box::new(self.control(Control::With)?)),
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
            return self.unexpected(token, name);
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
            let branch = Box::new(branch?);
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
        let name = self.template_name(token, CONTEXT)?;
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
            invocation: Box::new(Invocation {
                name: name.into(),
                pipe: Some(pipe),
            }),
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.back();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelimiter)?);
        }
        Ok(Node::Template {
            position: token.start,
            invocation: Box::new(Invocation {
                name: name.into(),
                pipe,
            }),
        })
    }

    fn template_name(&mut self, token: Token, context: &str) -> Parsed<String> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&self, token: Token) -> Parsed<String> {
        match literal::unquote(self.bytes(token)) {
            Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(message) => self.error(message),
        }
    }

    // Pipelines.
}
