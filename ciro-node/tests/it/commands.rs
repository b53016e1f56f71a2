//! The commands around a node.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use ciro_protocol::api::{EventRecord, SSE_EVENT};
use ciro_protocol::event::Event;
use ciro_protocol::tx::Body;

use crate::world::{World, node, path, refused};

#[test]
fn a_node_says_how_it_is() {
    let world = World::new();
    let data = world.data();
    let status: serde_json::Value =
        serde_json::from_str(&node(&["status", path(&data), "--json"])).unwrap();
    assert_eq!(status["health"]["ready"], true);
    assert_eq!(status["chain"], world.chain().to_string());
    let doctor = node(&["doctor", path(&data)]);
    assert!(doctor.lines().all(|line| !line.starts_with("fail")), "{doctor}");
    let mode = std::fs::metadata(data.join("node.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Two nodes never share a folder.
    let second = refused(&["start", path(&data), "--listen", "127.0.0.1:0"]);
    assert!(second.contains("consensus.lock"), "{second}");
    let again = refused(&["init", path(&data)]);
    assert!(again.contains("is not empty"), "{again}");
}

#[test]
fn a_folder_that_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    node(&["init", path(&one), "--seed", "one"]);
    let genesis = one.join("genesis.json");
    let stranger = refused(&["init", path(&two), "--genesis", path(&genesis)]);
    assert!(stranger.contains("none of the network's validators"), "{stranger}");
    let text = std::fs::read_to_string(&genesis).unwrap();
    std::fs::write(&genesis, text.replace("\"tick_ms\": 1000", "\"tick_ms\": 999")).unwrap();
    let changed = refused(&["start", path(&one)]);
    assert!(changed.contains("another first state"), "{changed}");
    std::fs::write(&genesis, "{}").unwrap();
    let broken = refused(&["doctor", path(&one)]);
    assert!(broken.is_empty(), "findings are the answer, not an error: {broken}");
}

#[test]
fn events_go_on_after_the_last_one_that_was_seen() {
    let mut world = World::new();
    assert_eq!(world.run(b"bob", Body::Faucet).1, None);
    assert_eq!(world.run(b"carol", Body::Faucet).1, None);
    let seen = events(&world, 0, 2);
    assert!(matches!(seen[0].event, Event::Moved(_)));
    assert_eq!([seen[0].seq, seen[1].seq], [1, 2]);
    assert_eq!(events(&world, 1, 1), seen[1..]);
}

/// Reads so many events after one.
fn events(world: &World, after: u64, count: usize) -> Vec<EventRecord> {
    let mut stream = TcpStream::connect(world.address).unwrap();
    let head = format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {after}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut found, mut kind) = (Vec::new(), String::new());
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        }
        if let Some(data) = line.strip_prefix("data: ")
            && kind == SSE_EVENT
        {
            found.push(serde_json::from_str(data).unwrap());
            if found.len() == count {
                break;
            }
        }
    }
    found
}

/// The description for other languages names the routes that are served.
#[test]
fn the_description_names_every_route() {
    let read = |path: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(folder.join(path)).unwrap()
    };
    let described: Vec<String> = read("openapi.yaml")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("  /")?.strip_suffix(':')?.to_owned()))
        .map(|path| format!("/{path}"))
        .collect();
    let world = World::new();
    assert_eq!(described.len(), read("src/api/mod.rs").matches(".route(").count());
    for path in described {
        let path = path.replace("{class}", "xs").replace("{height}", "1").replace("{index}", "0");
        let id = format!("0x{}", "00".repeat(32));
        let path = path.replace("{id}", &id).replace("{address}", &id);
        let answer = crate::http::request(world.address, &format!("DELETE {path}"), &[], None);
        assert_eq!(answer.unwrap().code(), "method_not_allowed", "{path}");
    }
    let codes = read("openapi.yaml");
    for code in ciro_protocol::api::Code::OWN {
        assert!(codes.contains(&format!("`{}`", code.name())), "{code:?} is not described");
    }
}

#[test]
fn manual_pages_are_written_or_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    node(&["man", path(&pages)]);
    let page = std::fs::read_to_string(pages.join("ciro-node-start.1")).unwrap();
    assert!(page.contains("Runs the node"), "{page}");
    let told = refused(&["man", path(&pages.join("ciro-node.1").join("man1"))]);
    assert!(told.contains("cannot write manual pages to"), "{told}");
}
