//! One mistake, and how it is shown: the line of the file with a caret under the word.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Level, Origin, Renderer, Snippet, normalize_untrusted_str,
};

use crate::secret::{masked, masked_span};
use crate::{FileId, Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but probably does not do what was meant.
    Warning,
}

/// A mistake in a Corefile, told to the person who wrote it.
///
/// Texts are one line each, start in lower case and end without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the configuration from being used.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The word that is wrong; `None` if the mistake has no place, such as an unreadable file.
    pub span: Option<Span>,
    /// What stands under the caret: what is wrong with this word. May be empty.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that explain the mistake, each with its label.
    pub context: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error at a [`Span`], or at no place in particular.
    #[must_use]
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span.into(), message.into())
    }

    /// A warning at a [`Span`], or at no place in particular.
    #[must_use]
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span.into(), message.into())
    }

    /// With a text under the caret.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    /// With what is accepted there.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// With another place that explains the mistake, such as the first of two definitions.
    #[must_use]
    pub fn context(mut self, span: Span, label: impl Into<String>) -> Self {
        self.context.push((span, label.into()));
        self
    }

    /// The diagnostic with file, line, column and the source line, as several lines of plain text
    /// without a line end after the last.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        self.render_with(&Renderer::plain(), sources)
    }

    /// As [`Diagnostic::render`], coloured with ANSI escape sequences for a terminal.
    #[must_use]
    pub fn render_colored(&self, sources: &Sources) -> String {
        self.render_with(&Renderer::styled(), sources)
    }

    fn new(severity: Severity, span: Option<Span>, message: String) -> Self {
        Self {
            severity,
            message,
            span,
            label: String::new(),
            help: None,
            context: Vec::new(),
        }
    }

    fn render_with(&self, renderer: &Renderer, sources: &Sources) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut elements: Vec<Element<'_>> = Vec::new();
        if let Some(span) = self.span {
            let mut places = vec![Place {
                span,
                label: &self.label,
                primary: true,
            }];
            places.extend(self.context.iter().map(|(span, label)| Place {
                span: *span,
                label,
                primary: false,
            }));
            pictures(&places, sources, &mut elements);
            for import in import_chain(span, sources) {
                let (line, column) = sources.position(import);
                let name = shown_name(import, sources);
                elements.push(
                    Level::NOTE
                        .message(format!("imported at {name}:{line}:{column}"))
                        .into(),
                );
            }
        }
        if let Some(help) = &self.help {
            elements.push(Level::HELP.message(normalize_untrusted_str(help)).into());
        }
        let report = [level.primary_title(&self.message).elements(elements)];
        renderer.render(&report)
    }
}

struct Place<'a> {
    span: Span,
    label: &'a str,
    primary: bool,
}

/// A line longer than this is cut around the word before it is drawn, in bytes.
const LONG_LINE: usize = 2000;

/// What is left of a long line on either side of the word, in bytes.
const BESIDE: usize = 200;

/// Places of one file no further apart than this are drawn in one picture, in bytes.
const NEAR: usize = 20_000;

/// Of imports within imports, only so many are named, the nearest ones.
const SHOWN_IMPORTS: usize = 8;

/// Draws `places`, of which the first is the primary one: one picture of all that lie near it in its
/// file, and one for each of the others.
fn pictures<'a>(places: &[Place<'a>], sources: &'a Sources, elements: &mut Vec<Element<'a>>) {
    let Some(primary) = places.first() else {
        return;
    };
    let text = sources.text(primary.span.file);
    if whole_line(text, primary.span).len() > LONG_LINE {
        for place in places {
            single_picture(place, sources, elements);
        }
        return;
    }
    let is_near = |place: &Place<'_>| {
        place.span.file == primary.span.file
            && place.span.start.abs_diff(primary.span.start) as usize <= NEAR
            && whole_line(text, place.span).len() <= LONG_LINE
    };
    let lines = places
        .iter()
        .filter(|place| is_near(place))
        .map(|place| whole_line(text, place.span));
    let window = lines
        .reduce(|all, line| all.start.min(line.start)..all.end.max(line.end))
        .unwrap_or_default();
    let line_number = newlines(&text[..window.start]) + 1;
    let window = Window::new(primary.span.file, window, sources);
    let mut picture = Snippet::source(window.shown())
        .path(shown_name(primary.span, sources))
        .line_start(line_number);
    for place in places.iter().filter(|place| is_near(place)) {
        picture = picture.annotation(window.annotation(place, on_one_line(text, place.span)));
    }
    elements.push(picture.into());
    for place in places.iter().filter(|place| !is_near(place)) {
        single_picture(place, sources, elements);
    }
}

/// Draws one place, and only the middle of its line if that is long.
fn single_picture<'a>(place: &Place<'a>, sources: &'a Sources, elements: &mut Vec<Element<'a>>) {
    let text = sources.text(place.span.file);
    let span = on_one_line(text, place.span);
    let line = whole_line(text, place.span);
    let name = shown_name(place.span, sources);
    let (number, column) = sources.position(place.span);
    if line.len() <= LONG_LINE {
        let window = Window::new(place.span.file, line, sources);
        let picture = Snippet::source(window.shown())
            .path(name)
            .line_start(number)
            .annotation(window.annotation(place, span));
        elements.push(picture.into());
        return;
    }
    // The picture would count columns from the cut, so the place is written apart from it.
    let last = text.floor_char_boundary((span.start + BESIDE).min(span.end));
    let start = text.ceil_char_boundary(span.start.saturating_sub(BESIDE));
    let end = text.floor_char_boundary(last + BESIDE);
    let window = start.max(line.start)..end.min(line.end);
    let window = Window::new(place.span.file, window, sources);
    let picture = Snippet::source(window.shown())
        .line_start(number)
        .annotation(window.annotation(place, span.start..last));
    elements.push(Origin::path(name).line(number).char_column(column).into());
    elements.push(picture.into());
}

/// A part of a file that is shown, its secrets left out.
struct Window<'a> {
    text: &'a str,
    range: Range<usize>,
    /// The secrets in it, as bytes of it.
    hidden: Vec<Range<usize>>,
}

impl<'a> Window<'a> {
    fn new(file: FileId, range: Range<usize>, sources: &'a Sources) -> Self {
        Self {
            text: &sources.text(file)[range.clone()],
            hidden: sources.hidden(file, &range),
            range,
        }
    }

    fn shown(&self) -> Cow<'a, str> {
        match self.hidden.as_slice() {
            [] => Cow::Borrowed(self.text),
            hidden => Cow::Owned(masked(self.text, hidden)),
        }
    }

    fn annotation(&self, place: &Place<'a>, span: Range<usize>) -> Annotation<'a> {
        let kind = if place.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let Range { start, end } = self.range;
        let within = |offset: usize| offset.clamp(start, end) - start;
        let span = within(span.start)..within(span.end);
        let annotation = kind.span(masked_span(span, &self.hidden));
        // A label is words of the file too: without the escape sequences that it may hold.
        match place.label {
            "" => annotation,
            label => annotation.label(normalize_untrusted_str(label)),
        }
    }
}

/// The part of `span` on its first line, within `text` and on character boundaries.
fn on_one_line(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.floor_char_boundary(span.end as usize).max(start);
    let end = text[start..end]
        .find('\n')
        .map_or(end, |newline| start + newline);
    start..end
}

/// The line on which `span` starts, without its line end.
fn whole_line(text: &str, span: Span) -> Range<usize> {
    let middle = text.floor_char_boundary(span.start as usize);
    let start = text[..middle].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[middle..]
        .find('\n')
        .map_or(text.len(), |newline| middle + newline);
    let end = if text[middle..end].ends_with('\r') {
        end - 1
    } else {
        end
    };
    start..end
}

/// The name of the file of `span`, without the escape sequences that it may hold.
fn shown_name(span: Span, sources: &Sources) -> String {
    normalize_untrusted_str(sources.name(span.file))
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// The imports that led to the file of `span`, the nearest first.
fn import_chain(span: Span, sources: &Sources) -> impl Iterator<Item = Span> {
    std::iter::successors(sources.imported_at(span.file), |import| {
        sources.imported_at(import.file)
    })
    .take(SHOWN_IMPORTS)
}
