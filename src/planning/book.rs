//! The book: every rule and template as loaded. One bad document never stops the others.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;

use crate::model::class::Channel;
use crate::model::message::Ask;
use crate::model::reminder::{SkipReason, Unless};
use crate::render::Catalog;
use crate::rules::document;
use crate::rules::rule::{Mode, Rule, Step};
use crate::rules::site::Site;
use crate::store::documents::{self, Document};
use crate::store::reminders::NewReminder;
use crate::store::{Store, StoreError};

/// All rules and templates.
#[derive(Clone, Debug)]
pub struct Book {
    rules: BTreeMap<String, Rule>,
    /// The file and the text of each rule.
    sources: BTreeMap<String, (String, String)>,
    broken: Vec<String>,
    /// All templates.
    pub catalog: Catalog,
    documents: Vec<Document>,
}

/// Something wrong in a folder of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the document can be lived with all the same.
    pub is_warning: bool,
    /// Where and what, for people.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problem {
    fn error(text: impl fmt::Display) -> Self {
        Self {
            is_warning: false,
            text: text.to_string(),
        }
    }

    fn warning(text: impl fmt::Display) -> Self {
        Self {
            is_warning: true,
            text: text.to_string(),
        }
    }
}

/// The template of every digest for staff.
pub const DIGEST: &str = "digest_staff";

impl Book {
    /// Reads every `.toml` of `rules_dir` and every template below `templates_dir`.
    pub fn load(rules_dir: &Path, templates_dir: &Path, site: &Site) -> (Self, Vec<Problem>) {
        let (catalog, faults) = Catalog::load_dir(templates_dir);
        let mut problems: Vec<Problem> = faults.iter().map(Problem::error).collect();
        let files = read_rules(rules_dir, &mut problems);
        let (book, more) = Self::of(files, catalog, site);
        problems.extend(more);
        (book, problems)
    }

    /// Reads the rules that lie beside those of `rules_dir`, in `packs`, to be picked; nothing plans by them.
    pub fn beside(&self, rules_dir: &Path, site: &Site) -> (Self, Vec<Problem>) {
        let (dir, mut problems) = (rules_dir.join("packs"), Vec::new());
        let files = if dir.is_dir() {
            read_rules(&dir, &mut problems)
        } else {
            Vec::new()
        };
        let (book, more) = Self::of(files, self.catalog.clone(), site);
        problems.extend(more);
        (book, problems)
    }

    /// Makes a book of rules, each an id, the file it is in and its text, and templates.
    pub fn of(
        files: impl IntoIterator<Item = (String, String, String)>,
        catalog: Catalog,
        site: &Site,
    ) -> (Self, Vec<Problem>) {
        let mut book = Self {
            rules: BTreeMap::new(),
            sources: BTreeMap::new(),
            broken: Vec::new(),
            catalog,
            documents: Vec::new(),
        };
        let mut problems = Vec::new();
        for (id, file, text) in files {
            match document::parse(&id, &file, &text, site) {
                Ok(rule) => {
                    problems.extend(rule.warnings.iter().map(Problem::warning));
                    book.missing_templates(&file, &rule, &mut problems);
                    book.documents.push(Document {
                        kind: "rule",
                        id: id.clone(),
                        version: rule.version.clone(),
                        body: text,
                        department: rule.department.clone(),
                    });
                    if let Some(last) = book.documents.last() {
                        let source = (file.clone(), last.body.clone());
                        book.sources.insert(id.clone(), source);
                    }
                    book.rules.insert(id, rule);
                }
                Err(errors) => {
                    problems.extend(errors.iter().map(Problem::error));
                    book.broken.push(id);
                }
            }
        }
        for template in book.catalog.names() {
            let texts = book.catalog.texts_of(template).iter();
            book.documents.extend(texts.map(|text| Document {
                kind: "template",
                id: format!("{template}/{}", file_name(&text.file)),
                version: text.version.clone(),
                body: text.source.clone(),
                department: None,
            }));
        }
        (book, problems)
    }

    fn missing_templates(&self, file: &str, rule: &Rule, problems: &mut Vec<Problem>) {
        for (at, step) in rule.steps.iter().enumerate() {
            for template in step.all_templates() {
                self.missing_texts(
                    &format!("{file}: step[{}]", at + 1),
                    step,
                    template,
                    problems,
                );
            }
            if step.digest {
                self.missing_texts(
                    &format!("{file}: step[{}].digest", at + 1),
                    step,
                    DIGEST,
                    problems,
                );
            }
        }
    }

    fn missing_texts(&self, place: &str, step: &Step, template: &str, problems: &mut Vec<Problem>) {
        if self.catalog.texts_of(template).is_empty() {
            problems.push(Problem::error(format!(
                "{place}.send: unknown template `{template}`"
            )));
            return;
        }
        let channels = step.by.as_deref().unwrap_or(&[]).iter();
        for channel in channels.filter(|channel| !self.speaks(template, **channel)) {
            problems.push(Problem::warning(format!(
                "{place}.by: template `{template}` has no text for {channel}"
            )));
        }
    }

    fn speaks(&self, template: &str, channel: Channel) -> bool {
        self.catalog.has(template, channel)
    }

    /// A rule by its id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// The file that a rule is in, and its text.
    pub fn source(&self, id: &str) -> Option<(&str, &str)> {
        let (file, text) = self.sources.get(id)?;
        Some((file, text))
    }

    /// All rules that could be read, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The rules that plan: live ones and those in shadow.
    pub fn active(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().filter(|rule| rule.mode != Mode::Off)
    }

    /// Why nothing of `rule` goes out, if that is so whoever it is for.
    pub fn rests(&self, rule: &str) -> Option<SkipReason> {
        match self.rule(rule).map(|rule| rule.mode) {
            Some(Mode::Live) => None,
            Some(Mode::Shadow) => Some(SkipReason::Shadow),
            Some(Mode::Off) => Some(SkipReason::RuleOff),
            None if self.broken.iter().any(|broken| broken == rule) => Some(SkipReason::RuleFault),
            None => Some(SkipReason::RuleOff),
        }
    }

    /// The step a reminder came of, as its rule has it now: an edited wording counts at once.
    pub fn step(&self, plan: &NewReminder) -> Option<&Step> {
        let steps = &self.rule(&plan.rule)?.steps;
        steps.iter().find(|step| step.id == plan.step)
    }

    /// The template of a reminder, as its rule has it now.
    pub fn template<'a>(&'a self, plan: &'a NewReminder) -> &'a str {
        match (self.rule(&plan.rule), self.step(plan)) {
            (Some(rule), Some(step)) => {
                step.template(plan.role, rule.trigger.turn(&plan.occurrence))
            }
            (None | Some(_), _) => &plan.template,
        }
    }

    /// What makes a reminder needless, as its rule has it now.
    pub fn unless(&self, plan: &NewReminder) -> Option<Unless> {
        match self.step(plan) {
            Some(step) => step.unless,
            None => plan.unless,
        }
    }

    /// What a reply to a reminder answers, as its rule has it now.
    pub fn ask(&self, plan: &NewReminder) -> Option<Ask> {
        match self.step(plan) {
            Some(step) => step.ask,
            None => plan.ask,
        }
    }

    /// The ids of rules whose document cannot be read: what they planned waits for the repair.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Records the documents' versions as provisioned.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn provision(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = store.write().await?;
        documents::provision(&mut tx, &self.documents, &self.broken, now).await?;
        tx.commit().await
    }
}

/// The last part of a path: `zh-CN.sms.txt`.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Id, file and text of every rule in the folder.
fn read_rules(dir: &Path, problems: &mut Vec<Problem>) -> Vec<(String, String, String)> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Problem::error(format!("{}: {error}", dir.display())));
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml") && path.is_file())
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let Some(id) = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
        else {
            continue;
        };
        let file = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((id, file, text)),
            Err(error) => problems.push(Problem::error(format!("{file}: {error}"))),
        }
    }
    files
}

/// A book of `rules`, each an id and its text, and templates; and how many errors there were.
#[cfg(test)]
pub(crate) fn of_texts(rules: &[(&str, &str)], templates: &[(&str, &str)]) -> (Book, usize) {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    let (catalog, faults) = Catalog::load(templates.iter().map(owned));
    assert!(faults.is_empty(), "{faults:?}");
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").expect("the database of zones has it");
    let files = rules
        .iter()
        .map(|(id, text)| ((*id).to_owned(), format!("{id}.toml"), (*text).to_owned()));
    let (book, problems) = Book::of(files, catalog, &Site::new(zone, "CN"));
    let errors = problems.iter().filter(|problem| !problem.is_warning);
    (book, errors.count())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::Book;
    use crate::rules::site::Site;
    use crate::store::{documents, testing};

    fn shipped() -> Book {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let site = Site::new(TimeZone::get("Asia/Shanghai").unwrap(), "CN");
        let (book, problems) = Book::load(&root.join("rules"), &root.join("templates"), &site);
        assert!(problems.iter().all(|p| p.is_warning), "{problems:?}");
        book
    }

    #[tokio::test]
    async fn what_is_shipped_loads_and_is_recorded_once() {
        let book = shipped();
        assert!(book.rule("recheck").is_some() && book.broken().is_empty());
        for test in testing::stores().await {
            for _ in 0..2 {
                book.provision(&test.store, Timestamp::UNIX_EPOCH)
                    .await
                    .unwrap();
            }
            let mut tx = test.store.read().await.unwrap();
            let rules = documents::active(&mut tx, "rule").await.unwrap();
            let templates = documents::active(&mut tx, "template").await.unwrap();
            assert_eq!(rules.len(), book.rules().count());
            assert_eq!(rules.len() + templates.len(), book.documents.len());
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_problem_and_no_panic() {
        let site = Site::new(TimeZone::UTC, "US");
        let (book, problems) = Book::load(Path::new("/nowhere"), Path::new("/nowhere"), &site);
        assert_eq!(book.rules().count(), 0);
        assert_eq!(problems.len(), 2);
    }
}
