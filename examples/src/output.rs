//! Tables, JSON and YAML on standard output; progress on standard error where a person looks at it.

use std::{
    io::{IsTerminal as _, Write as _},
    sync::Mutex,
    time::Duration,
};

use comfy_table::{Table, presets::NOTHING};
use gitops_core::{
    app::{ApplicationStatus, SyncState},
    events::{Event, EventSink},
    health::HealthStatus,
    pipeline::Desired,
    plan::{Action, Outcome, Plan, Step},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::{Color, Format, OutputArgs};

/// Colours as escape sequences, or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    enabled: bool,
}

impl Paint {
    pub fn new(choice: Color) -> Self {
        let enabled = match choice {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal(),
        };
        Self { enabled }
    }

    pub fn is_enabled(self) -> bool {
        self.enabled
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.enabled {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub fn notable(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub fn sync(self, state: SyncState) -> String {
        let text = format!("{state:?}");
        match state {
            SyncState::Synced => self.good(&text),
            SyncState::OutOfSync => self.notable(&text),
            _ => self.bad(&text),
        }
    }

    pub fn health(self, health: Option<HealthStatus>) -> String {
        let Some(health) = health else {
            return self.faint("-");
        };
        let text = format!("{health:?}");
        match health {
            HealthStatus::Healthy => self.good(&text),
            HealthStatus::Degraded | HealthStatus::Unknown => self.bad(&text),
            _ => self.notable(&text),
        }
    }

    pub fn action(self, action: Action) -> String {
        match action {
            Action::Create => self.good("create"),
            Action::Update => self.notable("update"),
            Action::Recreate => self.notable("recreate"),
            Action::Prune => self.bad("prune"),
            Action::RunHook => self.strong("run hook"),
            Action::Unchanged => self.faint("unchanged"),
            _ => self.faint("skip"),
        }
    }
}

/// Prints text on standard output. A closed pipe (`| head`) ends the output, not the work.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        // Nobody reads any more.
    }
}

/// Prints a line on standard output.
pub fn line(text: &str) {
    print(&format!("{text}\n"));
}

/// Prints a value as JSON or YAML; `false` where people are to be shown a table.
pub fn structured(value: &impl Serialize, format: Format) -> Result<bool, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    match format {
        Format::Table => return Ok(false),
        Format::Json => line(&serde_json::to_string_pretty(&value)?),
        Format::Yaml => print(&gitops_core::yaml::to_string(&value)),
    }
    Ok(true)
}

/// A table in the manner of kubectl: columns, no lines.
pub fn table(headers: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(headers.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// One row of the table of applications.
pub fn application_row(
    name: &str,
    status: &ApplicationStatus,
    note: &str,
    paint: Paint,
) -> Vec<String> {
    let revision = if status.sync.revisions.is_empty() {
        short(&status.sync.revision).to_owned()
    } else {
        status
            .sync
            .revisions
            .iter()
            .map(|r| short(r))
            .collect::<Vec<_>>()
            .join(",")
    };
    vec![
        name.to_owned(),
        paint.sync(status.sync.status),
        paint.health(status.health.status),
        revision,
        status.resources.len().to_string(),
        note.to_owned(),
    ]
}

/// The headers that go with [`application_row`].
pub const APPLICATION_HEADERS: [&str; 6] = [
    "application",
    "sync",
    "health",
    "revision",
    "objects",
    "note",
];

fn short(revision: &str) -> &str {
    let is_commit = revision.len() >= 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    if is_commit { &revision[..7] } else { revision }
}

/// A plan for people: a line a step, below it the fields that change.
pub fn plan_text(name: &str, plan: &Plan, all: bool, paint: Paint) -> String {
    let mut text = String::new();
    let shown: Vec<&Step> = plan
        .steps
        .iter()
        .filter(|step| all || step.action.changes() || step.action == Action::Skip)
        .collect();
    let changes = plan.changes().count();
    text.push_str(&format!(
        "{} at {}: {}\n",
        paint.strong(name),
        short(&plan.revision),
        match changes {
            0 => "nothing to do".to_owned(),
            1 => "1 change".to_owned(),
            n => format!("{n} changes"),
        }
    ));
    let mut place = None;
    for step in shown {
        if place != Some((step.phase, step.wave)) {
            place = Some((step.phase, step.wave));
            text.push_str(&paint.faint(&format!("  {} wave {}\n", step.phase, step.wave)));
        }
        text.push_str(&format!(
            "    {} {}  {}\n",
            paint.action(step.action),
            step.object,
            paint.faint(&step.reason.to_string())
        ));
        for change in &step.changes {
            text.push_str(&format!("        {change}\n"));
        }
    }
    text
}

/// Shows what happens: a spinner on a terminal, nothing elsewhere.
pub struct Progress {
    bar: ProgressBar,
    counts: Mutex<(usize, usize)>,
}

impl Progress {
    pub fn new(output: &OutputArgs) -> Self {
        let visible = std::io::stderr().is_terminal() && output.output == Format::Table;
        let bar = if visible {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            counts: Mutex::new((0, 0)),
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl EventSink for Progress {
    fn event(&self, event: &Event) {
        let mut counts = self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let message = match event {
            Event::ApplicationStarted { owner } => format!("{}: comparing", owner.name),
            Event::WaveStarted {
                owner,
                phase,
                wave,
                steps,
            } => {
                *counts = (0, *steps);
                format!("{}: {phase} wave {wave}, {steps} steps", owner.name)
            }
            Event::StepEnded {
                owner,
                object,
                outcome,
                ..
            } => {
                if *outcome != Outcome::Running {
                    counts.0 += 1;
                }
                format!("{}: {}/{} {object}", owner.name, counts.0, counts.1)
            }
            Event::HealthChanged {
                owner,
                object,
                health,
            } => {
                format!("{}: {object} is {:?}", owner.name, health.status)
            }
            Event::ApplicationEnded { owner, summary, .. } => format!("{}: {summary}", owner.name),
            Event::Note { owner, message } => format!("{}: {message}", owner.name),
            _ => return,
        };
        self.bar.set_message(message);
    }
}

/// What was written otherwise than declared, a line each.
pub fn rewrites(application: &str, desired: &Desired) -> String {
    desired
        .rewrites
        .iter()
        .map(|rewrite| format!("{application}: {rewrite}\n"))
        .collect()
}

/// Prints text on standard error.
pub fn complain(text: &str) {
    let mut out = std::io::stderr().lock();
    if out.write_all(text.as_bytes()).is_err() {
        // There is nobody left to tell.
    }
}
