//! The door: every request comes in here. Feeds, which are polled, are answered at once; everything else goes to the router.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, FutureExt as _, Ready, ready};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;

use super::answer::answer;
use super::headers::{Dressed, dress};
use super::shelf::{Item, Shelves};
use super::{client, site};

/// What all connections share.
pub(super) struct Hall {
    pub shelves: Shelves,
    pub router: TowerToHyperService<Router>,
    pub trusted: Vec<IpNet>,
    /// The site's path when it does not lie at the root of its host: `/letter/`.
    pub prefix: String,
    pub request_within: Duration,
}

/// What serves one connection.
#[derive(Clone)]
pub(super) struct Door {
    pub hall: Arc<Hall>,
    pub peer: IpAddr,
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Self::Response, Infallible>>, BoxFuture<'static, Result<Self::Response, Infallible>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.hall.polled(&request) {
            Some(answer) => Either::Left(ready(Ok(answer))),
            None => Either::Right(route(self.hall.clone(), self.peer, request).map(Ok).boxed()),
        }
    }
}

impl Hall {
    /// The answer to a GET or HEAD of a feed by its plain address.
    fn polled(&self, request: &Request<Incoming>) -> Option<Response<Answer>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let path = request.uri().path();
        let path = path.strip_prefix(&self.prefix).or_else(|| path.strip_prefix('/'))?;
        match self.shelves.get().get(path)? {
            Item::Ready(ready) if ready.feed.is_some() => Some(answer(ready, request.headers()).map(|body| Answer::Ready(Some(body)))),
            _ => None,
        }
    }

    /// The address without the site's prefix, which a proxy may have taken off or not.
    fn without_prefix(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query()?.as_str().strip_prefix(self.prefix.trim_end_matches('/')).filter(|_| self.prefix != "/")?;
        if path.starts_with('/') { path.parse().ok() } else { None }
    }
}

/// Everything but feeds: within its time, with who made it noted, and with all headers.
async fn route(hall: Arc<Hall>, peer: IpAddr, request: Request<Incoming>) -> Response<Answer> {
    let (mut parts, body) = request.into_parts();
    client::note(&mut parts, peer, &hall.trusted);
    if let Some(uri) = hall.without_prefix(&parts.uri) {
        parts.uri = uri;
    }
    let options = parts.method == Method::OPTIONS;
    let path = parts.uri.path();
    let mut response = if path.len() > 1 && hall.prefix.strip_suffix('/') == Some(path) {
        (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, hall.prefix.as_str())]).into_response()
    } else if site::path_of(path).is_none() && path != "*" {
        (StatusCode::NOT_FOUND, "there is no such page here\n").into_response()
    } else {
        let routed = hall.router.call(Request::from_parts(parts, body));
        match tokio::time::timeout(hall.request_within, routed).await {
            Ok(Ok(response)) => response,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")], "the request took too long\n").into_response(),
        }
    };
    if options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer_options(&mut response);
    }
    if response.extensions_mut().remove::<Dressed>().is_none() {
        dress(response.headers_mut());
    }
    response.map(Answer::Routed)
}

/// What may be asked at a route: its handlers have been named by the router, and none has run.
fn answer_options(response: &mut axum::response::Response) {
    let allowed = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let allowed = format!("{allowed}{}OPTIONS", if allowed.is_empty() { "" } else { ", " });
    *response = StatusCode::NO_CONTENT.into_response();
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
}

/// The body of an answer: bytes that are there, or what a handler makes.
pub(super) enum Answer {
    Ready(Option<Bytes>),
    Routed(axum::body::Body),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Ready(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes)))),
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ready(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ready(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
