//! `GET /metrics`: what the parts have counted, read when somebody asks.

use std::path::Path;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use icaze_store::Reason;
use metrics::{counter, gauge};

use super::Shared;
use crate::clock::Now;
use crate::gateway::Gateway;
use crate::pipeline::Pipeline;
use crate::smpp::port::Port;
use crate::telemetry;
use crate::world::World;

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let text = shared.gateway.telemetry.render(|| publish(&shared.gateway, &shared.store));
    ([(header::CONTENT_TYPE, TEXT)], text)
}

fn publish(gateway: &Gateway, store: &Path) {
    let now = Now::read();
    gauge!("icaze_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    if let Ok(disk) = rustix::fs::statvfs(store) {
        gauge!("icaze_disk_free_bytes").set(disk.f_bavail as f64 * disk.f_frsize as f64);
    }
    let durable = gateway.durable().borrow().position();
    gauge!("icaze_view_lag_records").set(durable.saturating_sub(gateway.history.position()) as f64);
    publish_world(&gateway.world(), now);
    let port = gateway.port();
    publish_pipeline(&gateway.pipeline(), &port, now);
    publish_operators(&port);
    publish_binds(gateway);
}

fn publish_binds(gateway: &Gateway) {
    let port = gateway.port();
    for bind in gateway.binds.list() {
        let figures = bind.figures();
        let messages = [figures.received.total(), figures.sent.total()];
        let unanswered = [figures.unanswered_in, figures.unanswered_out];
        telemetry::bind(port.name(bind.operator), bind.number, messages, unanswered);
    }
}

fn publish_operators(port: &Port) {
    for (id, name) in (0_u16..).zip(port.names()) {
        let Some(tallies) = port.tallies(id) else { continue };
        let outside = tallies.outside_ranges.load(Ordering::Relaxed);
        counter!("icaze_mo_outside_ranges_total", "operator" => name.to_owned()).absolute(outside);
        for (result, tally) in [
            ("delivered", &tallies.delivered),
            ("failed", &tallies.failed),
            ("underway", &tallies.underway),
            ("unknown", &tallies.unknown),
        ] {
            counter!("icaze_receipts_total", "operator" => name.to_owned(), "result" => result)
                .absolute(tally.load(Ordering::Relaxed));
        }
        for (parameter, count) in tallies.refused_parameters() {
            let labels = [("operator", name.to_owned()), ("parameter", parameter.to_owned())];
            counter!("icaze_parameters_refused_total", &labels).absolute(count);
        }
    }
}

fn publish_world(world: &World, now: Now) {
    gauge!("icaze_register_documents").set(world.register.documents() as f64);
    let age = now.wall.duration_since(world.register.made_at());
    gauge!("icaze_register_age_seconds").set(age.as_secs_f64());
    for regime in world.regimes.as_slice() {
        let hash = format!("{:016x}", regime.hash());
        let in_force = world.regimes.at(now.wall).is_some_and(|current| current.hash() == regime.hash());
        gauge!("icaze_regime_info", "id" => regime.id.clone(), "hash" => hash).set(f64::from(in_force));
    }
}

fn publish_pipeline(pipeline: &Pipeline, port: &Port, now: Now) {
    gauge!("icaze_ledger_position").set(pipeline.position() as f64);
    for (outcome, reason, purpose, count) in pipeline.stats().decisions() {
        let purpose = purpose.map(|purpose| purpose.to_string()).unwrap_or_default();
        let reason = reason.map_or("", Reason::name);
        counter!("icaze_decisions_total", "outcome" => outcome.name(), "reason" => reason, "purpose" => purpose)
            .absolute(count);
    }
    // A part has no decision of its own, but an outcome; like the others it is shown once there is one.
    let parts = pipeline.stats().parts;
    if parts > 0 {
        counter!("icaze_decisions_total", "outcome" => "part", "reason" => "", "purpose" => "")
            .absolute(parts);
    }
    for (reason, count) in pipeline.stats().completions() {
        counter!("icaze_helps_completed_total", "reason" => reason.name()).absolute(count);
    }
    for (id, operator) in (0_u16..).zip(pipeline.operators()) {
        let waiting = pipeline.outbox().waiting(id);
        gauge!("icaze_replies_waiting", "operator" => operator.name.to_string()).set(waiting as f64);
        let silence = pipeline.outbox().silence(id);
        gauge!("icaze_replies_unanswered", "operator" => operator.name.to_string()).set(silence.replies);
        counter!("icaze_reply_copies_total", "operator" => operator.name.to_string())
            .absolute(pipeline.outbox().copied(id));
        // A receipt of no reply has no entry in the ledger, and is counted where it was read.
        let receipts = port.tallies(id).map_or(0, |tallies| tallies.receipts_aside.load(Ordering::Relaxed));
        for (cause, count) in pipeline.stats().put_aside(id) {
            let labels = [("operator", operator.name.to_string()), ("cause", cause.name().to_owned())];
            let unrecorded = if cause == Reason::Receipt { receipts } else { 0 };
            counter!("icaze_texts_put_aside_total", &labels).absolute(count + unrecorded);
        }
        for (mark, count) in pipeline.stats().replies(id) {
            let result = mark.name();
            counter!("icaze_replies_total", "operator" => operator.name.to_string(), "result" => result)
                .absolute(count);
        }
    }
    gauge!("icaze_replies_oldest_seconds").set(pipeline.outbox().oldest(now.wall).as_secs_f64());
    gauge!("icaze_permits_standing").set(pipeline.permits().standing_count() as f64);
}
