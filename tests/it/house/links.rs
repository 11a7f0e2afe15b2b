//! Links in Markdown files lead somewhere: to a file that is there, and to a heading in it.

use super::{File, files, none, root};

/// The lines of a Markdown file that are not inside a code block, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(n, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!in_code && !fence).then_some((n + 1, line))
    })
}

/// The targets of `[text](target)` in a line, inline code left out.
fn targets(line: &str) -> Vec<String> {
    let plain: String = line.split('`').step_by(2).collect();
    plain
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The anchors that a forge makes of a file's headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text)
        .map(|(_, line)| line)
        .filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(slug).collect()
}

fn leads_nowhere(from: &File, target: &str, all: &[File]) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = if path.is_empty() {
        from.path.clone()
    } else {
        join(folder, path)
    };
    if !root().join(&path).exists() {
        return Some("there is no such file");
    }
    let known = || {
        all.iter()
            .find(|file| file.path == path)
            .is_some_and(|file| anchors(&file.text).iter().any(|a| a == anchor))
    };
    (!anchor.is_empty() && !known()).then_some("there is no such heading")
}

/// `path` as seen from `folder`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn links_lead_somewhere() {
    let all = files();
    let mut faults = Vec::new();
    for file in all.iter().filter(|file| file.has_extension("md")) {
        for (line, text) in prose(&file.text) {
            for target in targets(text) {
                if let Some(why) = leads_nowhere(file, &target, &all) {
                    faults.push(format!("{}:{line}: {target}: {why}", file.path));
                }
            }
        }
    }
    none(&faults);
}
