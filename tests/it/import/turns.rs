//! Whose turn it is when Sources are asked by hand.

use std::time::Duration;

use super::scene::Scene;
use crate::support::web::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_does_not_answer_keeps_only_its_own_sources_waiting() {
    let sources: String = [("a1", "dead"), ("b1", "alive"), ("a2", "dead"), ("b2", "alive")]
        .map(|(id, host)| format!("[[source]]\nid = \"{id}\"\nurl = \"http://{host}.example.com:PORT/{id}.xml\"\n"))
        .concat();
    let scene = Scene::new(&sources, |hit| match hit.host.as_str() {
        "dead.example.com" => Answer::ok("<rss version=\"2.0\"><channel>").then_silence(),
        _ => Answer::ok("<rss version=\"2.0\"><channel><title>Alive</title></channel></rss>"),
    })
    .await;
    let mut told = scene.importer.ask_these(scene.store.sources().await.unwrap());
    let mut heard = Vec::new();
    for _ in 0..2 {
        let one = tokio::time::timeout(Duration::from_secs(15), told.recv()).await.expect("the other site is asked meanwhile");
        heard.push(one.unwrap().unwrap().source);
    }
    assert_eq!(heard, ["b1", "b2"], "each in its order");
    drop(told);
    let hits = scene.web.hits();
    assert!(hits.iter().all(|hit| !hit.is_crowded), "no host is asked two things at once: {hits:?}");
    assert!(!hits.iter().any(|hit| hit.path == "/a2.xml"), "the second of the dead site waits for the first");
}
