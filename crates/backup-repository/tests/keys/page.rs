//! docs/threat-model.md names tests that there are.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_test_of_the_threat_model_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut tests = 0;
    for quoted in page.split('`').skip(1).step_by(2) {
        let name = quoted.rsplit([':', ' ']).next().unwrap();
        if name.matches('_').count() >= 3 && !name.contains('/') {
            assert!(code.contains(&format!("fn {name}(")), "{quoted}");
            tests += 1;
        }
    }
    assert!(tests > 25, "{tests}");
}
