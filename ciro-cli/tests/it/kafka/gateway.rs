//! A payment gateway, as `tools/kafka/http` posts to one.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A receiver of bills that fails every third time, and remembers what it took.
#[derive(Clone, Default)]
pub(super) struct Gateway {
    /// The numbers of events; one that comes again is the same.
    taken: Arc<Mutex<BTreeSet<u64>>>,
    refused: Arc<Mutex<usize>>,
}

impl Gateway {
    /// Listens, and returns where.
    pub(super) fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = self.clone();
        std::thread::spawn(move || {
            let mut count = 0_usize;
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut length, mut key, mut line) = (0, String::new(), String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let (name, value) = line.trim().split_once(':').unwrap_or_default();
                    match name.to_ascii_lowercase().as_str() {
                        "content-length" => length = value.trim().parse().unwrap(),
                        "idempotency-key" => value.trim().clone_into(&mut key),
                        _ => {}
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                // Connect is killed in the middle of a request.
                let whole = reader.read_exact(&mut body).is_ok();
                let row = serde_json::from_slice::<Value>(&body).ok().filter(|_| whole);
                let Some(row) = row else { continue };
                assert_eq!(key, format!("ciro.billing.v1:{}", row["event_seq"]));
                count += 1;
                let status = if count.is_multiple_of(3) {
                    *gateway.refused.lock().unwrap() += 1;
                    "500 Internal Server Error"
                } else {
                    gateway.taken.lock().unwrap().insert(row["event_seq"].as_u64().unwrap());
                    "200 OK"
                };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        format!("http://{address}/bills")
    }

    /// The numbers of all bills that it took.
    pub(super) fn taken(&self) -> BTreeSet<u64> {
        self.taken.lock().unwrap().clone()
    }

    /// How often it failed.
    pub(super) fn refused(&self) -> usize {
        *self.refused.lock().unwrap()
    }
}
