//! Which groups are watched: `path=…`, `name=…`, `image=…` and `label.KEY=…`, with `*` for any run of characters.

use saker_sdk::glob;

use crate::identity::Identity;

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Path,
    Name,
    Image,
    Label(String),
}

type Condition = (Part, String);

/// The choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    include: Vec<Condition>,
    exclude: Vec<Condition>,
    only_containers: bool,
}

impl Choice {
    /// Reads the conditions; on failure says which one is none.
    pub(crate) fn new(include: &[String], exclude: &[String], only_containers: bool) -> Result<Self, String> {
        let all = |key: &str, texts: &[String]| {
            texts.iter().map(|text| condition(text).ok_or_else(|| wrong(key, text))).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { include: all("include", include)?, exclude: all("exclude", exclude)?, only_containers })
    }

    /// Whether something has to be known besides the path.
    pub(crate) fn wants_names(&self) -> bool {
        self.include.iter().chain(&self.exclude).any(|(part, _)| *part != Part::Path)
    }

    /// Whether a group may be watched, as far as its path tells.
    pub(crate) fn may_be(&self, path: &str, is_container: bool) -> bool {
        let by_path = |(part, pattern): &&Condition| *part == Part::Path && glob::matches(pattern, path);
        let rest = self.include.iter().any(|(part, _)| *part != Part::Path);
        let is_included = self.include.is_empty() || rest || self.include.iter().any(|one| by_path(&one));
        (is_container || !self.only_containers) && is_included && !self.exclude.iter().any(|one| by_path(&one))
    }

    /// Whether a group is watched.
    pub(crate) fn is(&self, path: &str, identity: Option<&Identity>) -> bool {
        let met = |condition: &Condition| is_met(condition, path, identity);
        (self.include.is_empty() || self.include.iter().any(met)) && !self.exclude.iter().any(met)
    }
}

fn condition(text: &str) -> Option<Condition> {
    let (part, pattern) = text.split_once('=')?;
    let part = match part {
        "path" => Part::Path,
        "name" => Part::Name,
        "image" => Part::Image,
        part => Part::Label(part.strip_prefix("label.").filter(|key| !key.is_empty())?.to_owned()),
    };
    Some((part, pattern.to_owned()))
}

fn wrong(key: &str, text: &str) -> String {
    format!("{key}: expected \"path=…\", \"name=…\", \"image=…\" or \"label.KEY=…\", found {text:?}")
}

fn is_met((part, pattern): &Condition, path: &str, identity: Option<&Identity>) -> bool {
    let text = match part {
        Part::Path => Some(path),
        Part::Name => identity.map(|identity| identity.name.as_str()),
        Part::Image => identity.map(|identity| identity.image.as_str()),
        Part::Label(key) => identity.and_then(|identity| {
            identity.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
        }),
    };
    text.is_some_and(|text| glob::matches(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(include: &[&str], exclude: &[&str]) -> Choice {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Choice::new(&texts(include), &texts(exclude), false).unwrap()
    }

    #[test]
    fn groups_are_chosen_by_path_name_image_and_label() {
        let identity = Identity {
            name: "web".into(),
            image: "nginx:1".into(),
            labels: vec![("tier".into(), "front".into())],
            ..Identity::default()
        };
        let is = |include: &[&str], exclude: &[&str]| choice(include, exclude).is("/docker/x", Some(&identity));
        assert!(is(&[], &[]) && is(&["name=w*"], &[]) && is(&["image=redis*", "label.tier=front"], &[]));
        assert!(!is(&["name=db"], &[]) && !is(&[], &["image=nginx*"]) && !is(&[], &["path=/docker/*"]));
        assert!(!is(&["label.other=*"], &[]));
        assert!(!choice(&["name=*"], &[]).is("/system.slice", None));
        assert!(choice(&["name=*"], &[]).may_be("/docker/x", true));
        assert!(!choice(&["path=/a*"], &["path=*.mount"]).may_be("/a/b.mount", false));
        assert!(!Choice::new(&[], &[], true).unwrap().may_be("/a", false));
    }

    #[test]
    fn what_is_no_condition_is_rejected() {
        for text in ["", "web", "names=x", "label.=x"] {
            assert!(
                Choice::new(&[text.to_owned()], &[], false).unwrap_err().starts_with("include: expected"),
                "{text}"
            );
        }
    }
}
