//! `parapet user …`

use super::{Failure, Outcome, configuration};
use crate::cli::UserCommand;
use anyhow::anyhow;
use parapet_identity::Identity;

/// Runs one of the commands.
pub fn run(command: UserCommand) -> Outcome {
    let UserCommand::ResetPassword { settings, username } = command;
    let config = configuration(&settings)?;
    super::runtime()?.block_on(async {
        let identity = Identity::open(&config.identity).await.map_err(anyhow::Error::from)?;
        let credential = identity.reset_password(&username).await.map_err(anyhow::Error::from)?;
        identity.close().await;
        let credential = credential.ok_or_else(|| Failure::Error(anyhow!("there is no user \"{username}\"")))?;
        println!("{} / {}   (shown only this once)", credential.username, credential.password.expose());
        Ok(())
    })
}
