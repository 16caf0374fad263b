use super::*;
use crate::catalog::Entry;

fn file(name: &str, versions: &[&str], service: i64) -> LocalFile {
    let content = json!({
        "connector": "c", "versions": versions, "authType": "token",
        "service": {"id": format!("s-{service}"), "name": "c", "version": service},
        "environments": [{"id": "e", "title": "P", "credentials": {}, "userData": {}}],
    });
    let path = PathBuf::from(name);
    LocalFile {
        entry: Entry::parse(&content, &path).unwrap(),
        content: content.as_object().unwrap().clone(),
        path,
    }
}

fn published(versions: &[&str], service: i64) -> Published {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| (*version).to_owned())
        .collect();
    Published {
        connector: "c".to_owned(),
        versions,
        service: Service {
            id: format!("s-{service}"),
            name: "c".to_owned(),
            version: service,
        },
        auth_type: "token".to_owned(),
        environments: vec![PublishedEnvironment {
            id: "e".to_owned(),
            parts: vec![("title", json!("P")), ("credentials", json!({}))],
        }],
    }
}

fn merged(local: &[LocalFile], groups: &[Published]) -> Vec<(String, Vec<String>)> {
    let updates = merge(Path::new("no-such-directory"), local, groups);
    super::super::usable(local, &updates).unwrap();
    let named = |update: &Update| (update.path.display().to_string(), update.versions.clone());
    updates.iter().map(named).collect()
}

fn versions(list: &[&str]) -> Vec<String> {
    list.iter().map(|version| (*version).to_owned()).collect()
}

#[test]
fn a_file_that_loses_a_version_is_written_before_the_one_that_gets_it() {
    let local = [
        file("a.json", &["1.0"], 1),
        file("b.json", &["2.0", "3.0"], 2),
    ];
    let groups = [published(&["1.0", "2.0"], 1), published(&["3.0"], 2)];
    assert_eq!(
        merged(&local, &groups),
        [
            ("b.json".to_owned(), versions(&["3.0"])),
            ("a.json".to_owned(), versions(&["1.0", "2.0"])),
        ]
    );
}

#[test]
fn a_file_goes_with_its_versions_and_none_is_left_empty() {
    // all to one other service: the same file
    let local = [file("a.json", &["1.0", "2.0"], 1)];
    assert_eq!(
        merged(&local, &[published(&["1.0", "2.0"], 7)]),
        [("a.json".to_owned(), versions(&["1.0", "2.0"]))]
    );
    // to two others: it goes with the first, and the second gets a file
    assert_eq!(
        merged(&local, &[published(&["1.0"], 7), published(&["2.0"], 8)]),
        [
            ("a.json".to_owned(), versions(&["1.0"])),
            (
                "no-such-directory/c-2.0.json".to_owned(),
                versions(&["2.0"])
            ),
        ]
    );
    // what was not asked about stays where it is
    assert_eq!(
        merged(&local, &[published(&["2.0"], 8)]),
        [
            ("a.json".to_owned(), versions(&["1.0"])),
            ("no-such-directory/c.json".to_owned(), versions(&["2.0"])),
        ]
    );
}
