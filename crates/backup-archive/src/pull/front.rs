use super::damaged;
use super::object::Object;
use crate::index::PIECE_BYTES;
use backup_core::{Error, ErrorKind, Layers, Reader, Result, Spare};
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

/// An object whose layers can only be read from the front: it keeps its place, and begins anew when it is asked for what
/// lies before it.
#[derive(Debug)]
pub(crate) struct Front {
    layers: Layers,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// Pieces from this one on lie behind damage.
    broken: Option<u64>,
}

struct Open {
    plain: Reader,
    /// The piece that comes next.
    next: u64,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Front {
    pub(crate) fn new(layers: Layers) -> Self {
        Front { layers, state: Mutex::default() }
    }

    /// A piece, of so many plain bytes.
    pub(crate) async fn read(&self, object: &Object, piece: u64, bytes: u64, spare: &Spare) -> Result<Vec<u8>> {
        let mut state = self.state.lock().await;
        if state.broken.is_some_and(|broken| broken <= piece) {
            return Err(damaged("a piece lies behind what is damaged"));
        }
        // A read that fails, or is given up, leaves none open.
        let open = state.open.take().filter(|open| open.next <= piece);
        let read = self.read_on(open, object, piece, bytes, spare).await;
        match read {
            Ok((plain, open)) => {
                state.open = Some(open);
                Ok(plain)
            }
            Err(error) => {
                // Who reads from the front meets it every time.
                state.broken = state.broken.or((error.kind() == ErrorKind::Damaged).then_some(piece));
                Err(error)
            }
        }
    }

    async fn read_on(
        &self,
        open: Option<Open>,
        object: &Object,
        piece: u64,
        bytes: u64,
        spare: &Spare,
    ) -> Result<(Vec<u8>, Open)> {
        let mut open = match open {
            Some(open) => open,
            None => Open { plain: self.layers.decode(object.stream().await?)?, next: 0 },
        };
        let failed = |e| Error::io("cannot read an archive", e);
        let skipped = (piece - open.next) * PIECE_BYTES as u64;
        tokio::io::copy(&mut (&mut open.plain).take(skipped), &mut tokio::io::sink()).await.map_err(failed)?;
        let mut plain = spare.take_empty();
        (&mut open.plain).take(bytes).read_to_end(&mut plain).await.map_err(failed)?;
        if plain.len() as u64 != bytes {
            return Err(damaged("an archive ends before its index says"));
        }
        open.next = piece + 1;
        Ok((plain, open))
    }
}
