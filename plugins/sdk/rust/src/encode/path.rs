//! A series as a path, `web1.disk.io.util.device.sda`: for Graphite without tags, and for the StatsD servers before it.

use super::Template;
use super::template::Reference;
use crate::bindings::types::{OpenError, Series};

/// Makes paths: elements with a dot between them, of the characters that a server allows.
#[derive(Clone, Debug)]
pub struct Path {
    template: Template,
    allowed: fn(char) -> bool,
}

impl Path {
    /// Reads the text of the setting `name`, see [`Template`]. In a path `${tags}` is `key.value` for each tag, and
    /// `allowed` are the characters that an element may have; any other becomes `_`.
    ///
    /// # Errors
    /// [`OpenError::Settings`] if the text does not name the metric, or has a character that no path may have.
    pub fn parse(name: &str, text: &str, allowed: fn(char) -> bool) -> Result<Self, OpenError> {
        let template = Template::parse(name, text)?;
        let wrong = |what: String| Err(OpenError::Settings(format!("{name}: {what}")));
        let odd = template.fixed_parts().flat_map(str::chars).find(|&next| next != '.' && !allowed(next));
        if let Some(odd) = odd {
            return wrong(format!("a path cannot have {odd:?} in it"));
        }
        if !template.refers_to(&Reference::Metric) {
            return wrong("must have ${metric} in it, or all metrics become one".into());
        }
        Ok(Self { template, allowed })
    }

    /// The path of a series: never empty, and without empty elements.
    #[must_use]
    pub fn of(&self, series: &Series) -> String {
        let path = self.template.expand_with(series, |reference, value, path| match reference {
            // Its dots are what makes a tree of metrics.
            Reference::Metric => self.push(path, value, &['.']),
            Reference::Endpoint | Reference::Tag(_) => self.push(path, value, &[]),
            Reference::Tags => {
                for (place, (key, value)) in series.tags.iter().enumerate() {
                    if place > 0 {
                        path.push('.');
                    }
                    self.push(path, key, &[]);
                    path.push('.');
                    self.push(path, value, &[]);
                }
            }
        });
        let elements: Vec<_> = path.split('.').filter(|element| !element.is_empty()).collect();
        if elements.is_empty() { "_".into() } else { elements.join(".") }
    }

    fn push(&self, path: &mut String, text: &str, also: &[char]) {
        path.extend(text.chars().map(|next| if (self.allowed)(next) || also.contains(&next) { next } else { '_' }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::series;

    fn parse(text: &str) -> Result<Path, OpenError> {
        Path::parse("path", text, |next| next.is_alphanumeric() || next == '_')
    }

    #[test]
    fn a_path_has_an_element_for_each_part() {
        let mut series = series("disk.io.util", &[("device", "sda"), ("zone", "a.b/c")]);
        series.endpoint = "web1.example.com".into();
        for (text, path) in [
            ("${endpoint}.${metric}.${tags}", "web1_example_com.disk.io.util.device.sda.zone.a_b_c"),
            ("top.${tags.zone}.${metric}", "top.a_b_c.disk.io.util"),
            ("${metric}", "disk.io.util"),
            ("a.${tags.none}.${metric}.", "a.disk.io.util"),
        ] {
            assert_eq!(parse(text).unwrap().of(&series), path);
        }
    }

    #[test]
    fn no_element_is_empty_and_no_path() {
        let path = parse("${endpoint}.${metric}.${tags}").unwrap();
        let mut series = series("..a...b.", &[]);
        series.endpoint = String::new();
        assert_eq!(path.of(&series), "a.b");
        series.metric = "...".into();
        assert_eq!(path.of(&series), "_");
    }

    #[test]
    fn a_template_that_makes_no_paths_says_why() {
        for (text, what) in [
            ("${endpoint}", "path: must have ${metric}"),
            ("a b.${metric}", "path: a path cannot have ' ' in it"),
            ("${metrics}", "path: `${metrics}` refers to nothing"),
        ] {
            let Err(OpenError::Settings(message)) = parse(text) else { panic!("{text}") };
            assert!(message.starts_with(what), "{message}");
        }
    }
}
