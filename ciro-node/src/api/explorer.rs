//! The explorer: one page about the network, which reads what everybody can read.
//!
//! All of it is part of the program, but for the verifier's module: it is served from the file
//! `ciro-network.wasm` beside the program, where there is one, and the page offers to verify in the
//! browser then.

use std::io::ErrorKind;
use std::path::PathBuf;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::ApiState;
use super::reply::ApiError;

/// The verifier's module, beside the program.
const MODULE: &str = "ciro-network.wasm";

/// What the page may do: run its own scripts and the module, and talk to this node alone.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const WASM: &str = "application/wasm";

/// Name, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("explorer.css", STYLE, include_str!("../assets/explorer/explorer.css")),
    ("explorer.js", SCRIPT, include_str!("../assets/explorer/explorer.js")),
    ("network.js", SCRIPT, include_str!("../assets/explorer/network.js")),
    ("views.js", SCRIPT, include_str!("../assets/explorer/views.js")),
    ("job.js", SCRIPT, include_str!("../assets/explorer/job.js")),
    // The package that verifies in browsers, and what it shows of a proof.
    ("index.js", SCRIPT, include_str!("../../../bindings/wasm/npm/index.js")),
    ("show.js", SCRIPT, include_str!("../../../bindings/wasm/npm/show.js")),
    ("show.css", STYLE, include_str!("../../../bindings/wasm/npm/show.css")),
];

/// The page at `/` and its files: for people, so that no description for programs names them.
pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/", get(page)).route("/explorer/{name}", get(file))
}

async fn page() -> Response {
    served(HTML, include_str!("../assets/explorer/index.html"))
}

async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    if name == MODULE {
        return module().await;
    }
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let (_, kind, text) =
        found.ok_or_else(|| ApiError::not_found(format!("file `{name}` of the explorer")))?;
    Ok(served(kind, *text))
}

async fn module() -> Result<Response, ApiError> {
    let missing = || ApiError::not_found(format!("`{MODULE}` beside the program"));
    let program = std::env::current_exe().map_err(|_| missing())?;
    let path: PathBuf = program.with_file_name(MODULE);
    match tokio::fs::read(&path).await {
        Ok(bytes) => Ok(served(WASM, bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
        Err(error) => Err(ApiError::internal(&format!("{}: {error}", path.display()))),
    }
}

fn served(kind: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let mut response = (StatusCode::OK, body.into()).into_response();
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        // A new program has new files under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_styles_are_files_as_the_policy_demands() {
        let page = include_str!("../assets/explorer/index.html");
        for (at, _) in page.match_indices("<script") {
            assert!(page[at..].starts_with("<script type=\"module\" src=\"/explorer/"));
        }
        assert!(!page.contains("<style") && !page.contains(" style="));
        let named = |text: &str| text.split('"').any(|part| part.starts_with("http"));
        assert!(!named(page), "the page names another host");
    }

    #[test]
    fn every_file_that_is_named_is_there() {
        let page = include_str!("../assets/explorer/index.html");
        for (at, prefix) in page.match_indices("/explorer/") {
            let name = page[at + prefix.len()..].split('"').next().unwrap_or_default();
            assert!(FILES.iter().any(|(known, ..)| *known == name), "{name}");
        }
    }
}
