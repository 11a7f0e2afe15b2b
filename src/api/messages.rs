//! Messages: enqueue, look at, call off, send again, settle.

mod acts;
mod enqueue;
mod look;
pub(super) mod shape;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::Routes;
use crate::store::message_view::{Attempt, Message, ReplyTo};

pub(super) use acts::{__path_cancel, __path_resend, __path_resolve};
pub(super) use enqueue::{__path_batch, __path_one};
pub(super) use look::{__path_find, __path_list, __path_timeline};

/// The largest batch, in bytes.
const LARGEST_BATCH: usize = 8 << 20;

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/messages", post(enqueue::one).get(look::list)),
        (
            "/v1/messages/batch",
            post(enqueue::batch).layer(DefaultBodyLimit::max(LARGEST_BATCH)),
        ),
        ("/v1/messages/{id}", get(look::find)),
        ("/v1/messages/{id}/timeline", get(look::timeline)),
        ("/v1/messages/{id}/cancel", post(acts::cancel)),
        ("/v1/messages/{id}/resend", post(acts::resend)),
        ("/v1/messages/{id}/resolve", post(acts::resolve)),
    ]
}

/// A message as the API shows it, for the shell.
///
/// # Errors
/// Never: it is plain JSON.
pub fn message_json(
    message: Message,
    attempts: Vec<Attempt>,
    replies: Vec<ReplyTo>,
    sees_private: bool,
) -> serde_json::Result<serde_json::Value> {
    let view = shape::MessageView::of(message, sees_private);
    serde_json::to_value(view.with(attempts, replies, sees_private))
}
