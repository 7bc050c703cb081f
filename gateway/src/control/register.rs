//! Changes of the register while the gateway runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use icaze_store::register::Register;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::gateway::Gateway;
use crate::world::World;

/// A file to be applied.
#[derive(Debug, Serialize, Deserialize)]
pub struct Change {
    /// Changes in CSV, or a whole register's snapshot; an absolute path.
    pub file: PathBuf,
    /// How many of its documents a whole register may lack, in percent of the present one's.
    pub shrink_max_percent: u8,
}

/// What the register is after a change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// The number that decisions name it by.
    pub generation: u32,
    /// How many documents it has.
    pub documents: u64,
    /// How many people.
    pub persons: u64,
}

/// Where the register is kept; one change at a time.
pub(super) struct Changes {
    path: PathBuf,
    changing: Mutex<()>,
}

impl Changes {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, changing: Mutex::default() }
    }

    /// The new register is on disk before the first message is decided from it, so that a start finds it.
    fn apply(&self, gateway: &Gateway, change: &Change) -> Result<Changed, String> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let world = gateway.world();
        let path = self.path.display();
        if world.register.generation() == 0 {
            return Err(format!(
                "register.path names {path}, a CSV file, which cannot be changed while it is in use; make a snapshot of it with \
                 icaze register import, set register.path to that, and restart"
            ));
        }
        let register = world.register.apply(&change.file, change.shrink_max_percent);
        let register = register.map_err(|error| error.to_string())?;
        register
            .save(&self.path)
            .map_err(|error| format!("{path}: cannot be written: {error}; make room there"))?;
        let changed = Changed::of(&register);
        let before = gateway.set_world(world.with(register));
        drop(world);
        tracing::info!(generation = changed.generation, documents = changed.documents, "register");
        free(before);
        Ok(changed)
    }
}

/// Frees what nobody reads any more in this thread: for the one that was to free it by chance it would take long.
fn free(world: Arc<World>) {
    const POLL: Duration = Duration::from_millis(10);
    const POLLS: u32 = 500;
    for _ in 0..POLLS {
        if Arc::strong_count(&world) == 1 {
            return;
        }
        thread::sleep(POLL);
    }
}

impl Changed {
    fn of(register: &Register) -> Self {
        Self {
            generation: register.generation(),
            documents: register.documents(),
            persons: register.persons(),
        }
    }
}

/// `POST /register`: applies a file, and answers what the register then is; or why it stays as it was.
pub(super) async fn apply(
    State(gateway): State<Arc<Gateway>>,
    State(changes): State<Arc<Changes>>,
    Json(change): Json<Change>,
) -> Result<Json<Changed>, (StatusCode, String)> {
    let applied = spawn_blocking(move || changes.apply(&gateway, &change)).await;
    let applied = applied.unwrap_or_else(|error| Err(error.to_string()));
    applied.map(Json).map_err(|why| (StatusCode::UNPROCESSABLE_ENTITY, why))
}
