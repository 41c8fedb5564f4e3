//! docs/cli.md is what the program says of itself.

use crate::world::World;
use std::fs;
use std::path::Path;

const HEAD: &str = "\
# The command line

What `backup --help` and `backup COMMAND --help` print. A test compares this page with the program:
`BACKUP_BLESS=1 cargo test -p backup-cli docs` writes it anew.
";

/// The commands in the order in which the help lists them.
fn commands(help: &str) -> Vec<String> {
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // A line that is indented further goes on with what a command is about.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.map(|line| line.split(' ').next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn the_page_about_the_command_line_is_current() {
    let world = World::new();
    let help = world.ok(["--help"]).text().to_owned();
    let mut page = format!("{HEAD}\n```text\n{}```\n", trimmed(&help));
    let commands = commands(&help);
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let own = own_help(&world, &[&command]);
        page.push_str(&format!("\n## {command}\n\n```text\n{}```\n", trimmed(&own)));
        if own.contains("Commands:\n") {
            for nested in self::commands(&own) {
                let help = own_help(&world, &[&command, &nested]);
                page.push_str(&format!("\n### {command} {nested}\n\n```text\n{}```\n", trimmed(&help)));
            }
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("BACKUP_BLESS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    assert!(fs::read_to_string(&file).is_ok_and(|there| there == page), "docs/cli.md is not what the program says");
}

/// What a command says of itself. What every command takes stands in the page once.
fn own_help(world: &World, command: &[&str]) -> String {
    let help = world.ok(command.iter().copied().chain(["--help"]));
    help.text().split("Global options:").next().unwrap().to_owned()
}

fn trimmed(text: &str) -> String {
    text.trim().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_exit_codes_stand_in_the_readme() {
    let help = World::new().ok(["--help"]).text().to_owned();
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let mut codes = 0;
    for line in table.lines().map(str::trim).take_while(|line| !line.is_empty()) {
        let (code, meaning) = line.split_once("  ").unwrap();
        assert!(readme.contains(&format!("| {code} | {} |", meaning.trim())), "{line}");
        codes += 1;
    }
    assert_eq!(codes, 8);
}
