//! Names that the operator composes: `{service}-{number}`.

use std::fmt;

use super::super::Container;
use super::claims::Compose;

/// The fields that a template may use, for messages.
pub(super) const FIELDS: &str =
    "name, hostname, domainname, id, project, service, number, image, label:KEY";

/// A template of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Hostname,
    Domainname,
    Id,
    Project,
    Service,
    Number,
    Image,
    Label(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Where it goes wrong, in bytes from the start.
    pub offset: usize,
    /// How many bytes are meant.
    pub length: usize,
    message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl NameTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// An unknown field, a brace without its other, or no field at all.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let error = |offset: usize, length: usize, message: String| TemplateError {
            offset,
            length,
            message,
        };
        let mut parts = Vec::new();
        let mut offset = 0;
        while let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
            let start = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, rest) = rest.split_at(start);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            offset += start;
            if rest.is_empty() {
                break;
            }
            let Some(inner) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                return Err(error(offset, 1, "a brace without its other one".into()));
            };
            let Some(field) = Field::parse(inner.0) else {
                let message = format!("unknown field {{{}}}; there are {FIELDS}", inner.0);
                return Err(error(offset, inner.0.len() + 2, message));
            };
            parts.push(Part::Field(field));
            offset += inner.0.len() + 2;
        }
        if !parts.iter().any(|part| matches!(part, Part::Field(_))) {
            let message =
                format!("without a field all containers would have this name; there are {FIELDS}");
            return Err(error(0, text.len(), message));
        }
        Ok(Self { parts })
    }

    /// Whether a label stands in it.
    pub(super) fn reads(&self, key: &str) -> bool {
        let is_label = |part: &Part| matches!(part, Part::Field(Field::Label(it)) if it == key);
        self.parts.iter().any(is_label)
    }

    /// The name of a container; [`None`] where it has no value for a field.
    pub(super) fn render(&self, container: &Container) -> Option<String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Field(field) => {
                    name.push_str(field.of(container).filter(|it| !it.is_empty())?);
                }
            }
        }
        Some(name)
    }
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "name" => Self::Name,
            "hostname" => Self::Hostname,
            "domainname" => Self::Domainname,
            "id" => Self::Id,
            "project" => Self::Project,
            "service" => Self::Service,
            "number" => Self::Number,
            "image" => Self::Image,
            _ => match text.split_once(':') {
                Some(("label", key)) if !key.is_empty() => Self::Label(key.to_owned()),
                _ => return None,
            },
        })
    }

    fn of<'c>(&self, container: &'c Container) -> Option<&'c str> {
        let compose = || Compose::of(container);
        match self {
            Self::Name => Some(&container.name),
            Self::Hostname => Some(&container.hostname),
            Self::Domainname => Some(&container.domainname),
            Self::Id => Some(container.short_id()),
            Self::Project => Some(compose()?.project),
            Self::Service => Some(compose()?.service),
            Self::Number => compose()?.number,
            Self::Image => Some(image_name(&container.image)),
            Self::Label(key) => container.labels.get(key).map(String::as_str),
        }
    }
}

/// The last part of an image's path, without registry, tag and digest.
pub(super) fn image_name(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}
