//! The project's own definitions, as deployment would give them to Step Functions.

use duet_asl::{StateMachine, substitute, validate};
use std::path::Path;

#[test]
fn our_definitions_have_no_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/orchestration");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".asl.json") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let text = substitute(&text, |_| Some("30".into())).unwrap();
        let findings = validate(&text);
        assert_eq!(findings, [], "{}", path.display());
        assert!(
            StateMachine::parse(&text)
                .unwrap()
                .timeout_seconds()
                .is_some()
        );
    }
    assert!(seen > 0, "no definition found");
}
