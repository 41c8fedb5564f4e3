use crate::interrupt::Interrupt;
use crate::screen::Screen;
use crate::settings::Settings;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) interrupt: Interrupt,
}

impl Context {
    pub(crate) fn screen(&self) -> &Screen {
        &self.settings.screen
    }
}
