//! The whole route table, read from the source: nothing is reached that is not meant to be, however the path is written.

use crate::support::http::{Served, ask};

const SOURCE: &str = include_str!("../../../src/web/mod.rs");

/// The public routes, and those of `dev`.
fn routes() -> (Vec<&'static str>, Vec<&'static str>) {
    let table = SOURCE.split("fn router(").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("the router");
    let all: Vec<&str> = table.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let (dev, public): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|path| path.starts_with("/dev/"));
    assert!(public.len() >= 15 && !dev.is_empty(), "the table is read wrong: {public:?} {dev:?}");
    (public, dev)
}

/// A path of the route with nothing valid in it.
fn forged(route: &str) -> String {
    let filled = route.split('/').map(|part| if part.starts_with('{') { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_a_forged_token_answers_404_to_get_and_post_and_405_to_the_rest() {
    let served = Served::new("").await;
    let (public, _) = routes();
    for route in public.iter().filter(|route| route.contains("{token}")) {
        let path = forged(route);
        for method in ["GET", "POST", "HEAD"] {
            let reply = ask(served.address, method, &path, &[], "").await;
            assert!([404, 405].contains(&reply.status), "{method} {route} with a forged token: {}", reply.status);
            assert!(!reply.text().contains("@example.org"), "{method} {route}");
        }
    }
    for route in &public {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            let reply = ask(served.address, method, &forged(route), &[], "").await;
            assert!([404, 405, 501].contains(&reply.status), "{method} {route}: {}", reply.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_written_otherwise_reaches_nothing_else() {
    let served = Served::new("").await;
    let (public, _) = routes();
    for route in &public {
        let path = forged(route);
        let plain = ask(served.address, "GET", &path, &[], "").await.status;
        let upper = path.to_uppercase();
        for other in [
            format!("{path}/"),
            format!("/{path}"),
            format!("/.{path}"),
            path.replacen('/', "/%2e/", 1),
            path.replacen('/', "/%2F", 1),
            upper,
        ] {
            let reply = ask(served.address, "GET", &other, &[], "").await;
            assert!(
                reply.status == plain || [301, 308, 400, 404, 405].contains(&reply.status),
                "{other} is not {path}: {} and {plain}",
                reply.status
            );
            let posted = ask(served.address, "POST", &other, &[], "").await;
            assert!(posted.status >= 300, "POST {other}: {}", posted.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_dev_do_not_exist_in_the_service() {
    let served = Served::new("").await;
    let (_, dev) = routes();
    assert!(dev.contains(&"/dev/inbox/clear") && dev.contains(&"/dev/sources/{id}/held"), "the table is read wrong: {dev:?}");
    for route in dev {
        for method in ["GET", "POST"] {
            let reply = ask(served.address, method, &forged(route), &[], "").await;
            assert!([404, 405].contains(&reply.status), "{method} {route}: {}", reply.status);
        }
    }
}
