//! Pipelines: declarations, commands, operands and terms.

use std::borrow::Cow;

use gitops_core::go::quote;

use super::{MAXIMUM_NESTING, Parsed, Parser};
use crate::template::{
    ast::{Code, Command, Field, Operand, Part, Path, Pipe, Shown, Source, Span, Text, Variable},
    containers::with_stack,
    entries::Place,
    lex::{Token, TokenKind},
    literal,
};

impl<'s> Parser<'s> {
    pub(super) fn pipeline(&mut self, context: &str, end: TokenKind) -> Parsed<Pipe> {
        let position = self.peek_non_space().start;
        let declared = self.code.declarations.len();
        let is_assignment = self.declarations(declared, context)?;
        let declarations = Part {
            start: declared as u32,
            end: self.code.declarations.len() as u32,
        };
        let first = self.commands.len();
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
                    self.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
        if self.commands.len() == first {
            return self.error(format!("missing value for {context}"));
        }
        for (index, command) in self.commands[first..].iter().enumerate().skip(1) {
            if matches!(
                self.code.operands[command.operands.start as usize],
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
        let start = self.code.commands.len() as u32;
        self.code.commands.extend(self.commands.drain(first..));
        Ok(Pipe {
            position,
            is_assignment,
            declarations,
            commands: Part {
                start,
                end: self.code.commands.len() as u32,
            },
        })
    }

    /// The variables before `:=` or `=`; whether it is the latter.
    pub(super) fn declarations(&mut self, first: usize, context: &str) -> Parsed<bool> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                return Ok(false);
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    self.next_non_space();
                    self.declare(variable);
                    return Ok(next.kind == TokenKind::Assign);
                }
                TokenKind::Char if self.bytes(next) == b"," => {
                    self.next_non_space();
                    self.declare(variable);
                    if context == "range" && self.code.declarations.len() < first + 2 {
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
                    return Ok(false);
                }
                _ => {
                    self.back2(variable);
                    return Ok(false);
                }
            }
        }
    }

    pub(super) fn declare(&mut self, token: Token) {
        let id = self.variable_id(self.bytes(token));
        self.code.declarations.push(Variable {
            id,
            name: token.span(),
        });
        self.tree.variables.push(id);
    }

    pub(super) fn variable_id(&mut self, name: &'s [u8]) -> u32 {
        match self.names.iter().position(|known| *known == name) {
            Some(index) => index as u32,
            None => {
                self.names.push(name);
                (self.names.len() - 1) as u32
            }
        }
    }

    pub(super) fn command(&mut self) -> Parsed<Command> {
        let first = self.operands.len();
        let position = self.peek_non_space().start;
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParenthesis => self.back(),
                TokenKind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if self.operands.len() == first {
            return self.error("empty command");
        }
        let start = self.code.operands.len() as u32;
        self.code.operands.extend(self.operands.drain(first..));
        Ok(Command {
            position,
            operands: Part {
                start,
                end: self.code.operands.len() as u32,
            },
        })
    }

    pub(super) fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != TokenKind::Field {
            if let Operand::Field { fields, .. } = &mut operand {
                *fields = self.path(fields.span);
            }
            return Ok(Some(operand));
        }
        let mut chain = first.span();
        while self.peek().kind == TokenKind::Field {
            chain.end = self.next().end;
        }
        match &mut operand {
            Operand::Field { position, fields } => {
                *position = chain.start;
                let start = fields.span.start;
                *fields = self.path(Span {
                    start,
                    end: chain.end,
                });
            }
            Operand::Variable {
                position, fields, ..
            } => {
                *position = chain.start;
                *fields = self.path(chain);
            }
            Operand::Bool { .. }
            | Operand::String { .. }
            | Operand::Number { .. }
            | Operand::Nil { .. }
            | Operand::Dot { .. } => {
                return self.error(format!(
                    "unexpected . after term {}",
                    quote(self.shown(&operand))
                ));
            }
            _ => {
                self.code.operands.push(operand);
                operand = Operand::Chain {
                    position: chain.start,
                    operand: self.code.operands.len() as u32 - 1,
                    fields: self.path(chain),
                };
            }
        }
        Ok(Some(operand))
    }

    /// `.a.b.c`, name by name.
    fn path(&mut self, span: Span) -> Path {
        let start = self.code.fields.len() as u32;
        let mut from = span.start + 1;
        let mut add = |end| {
            self.code.fields.push(Field {
                name: Span { start: from, end },
                place: Place::default(),
            });
            from = end + 1;
        };
        for at in span.start + 1..span.end {
            if self.text[at as usize] == b'.' {
                add(at);
            }
        }
        add(span.end);
        Path {
            span,
            fields: Part {
                start,
                end: self.code.fields.len() as u32,
            },
        }
    }

    /// A literal in Go's form.
    pub(super) fn shown(&self, literal: &Operand) -> String {
        let source = Source {
            name: self.source.into(),
            text: Text::new(self.text),
            code: Code::default(),
        };
        Shown(&source, literal).to_string()
    }

    pub(super) fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let position = token.start;
        Ok(Some(match token.kind {
            TokenKind::Identifier => {
                let name = self.text(token);
                let Some(function) = self.functions.place(&name) else {
                    return self.error(format!("function {} not defined", quote(&*name)));
                };
                Operand::Function {
                    position,
                    function,
                    name: token.span(),
                }
            }
            TokenKind::Dot => Operand::Dot { position },
            TokenKind::Nil => Operand::Nil { position },
            TokenKind::Variable => {
                let id = self.variable_id(self.bytes(token));
                if !self.tree.variables.contains(&id) {
                    let name = quote(self.bytes(token));
                    return self.error(format!("undefined variable {name}"));
                }
                Operand::Variable {
                    position,
                    variable: Variable {
                        id,
                        name: token.span(),
                    },
                    fields: Path::default(),
                }
            }
            TokenKind::Field => Operand::Field {
                position,
                fields: Path {
                    span: token.span(),
                    ..Path::default()
                },
            },
            TokenKind::Bool => Operand::Bool {
                position,
                value: self.bytes(token) == b"true",
            },
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                match literal::number(&self.text(token), token.kind) {
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
                Operand::Pipe(pipe?)
            }
            TokenKind::String | TokenKind::RawString => {
                let text = match literal::unquote(self.bytes(token)) {
                    Ok(Cow::Borrowed(_)) => None,
                    Ok(Cow::Owned(text)) => Some(text.into()),
                    Err(message) => return self.error(message),
                };
                Operand::String {
                    position,
                    quoted: token.span(),
                    text,
                }
            }
            _ => {
                self.back();
                return Ok(None);
            }
        }))
    }
}
