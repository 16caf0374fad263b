//! The end user of a row: listed, found or created, once for all rows of theirs.

use std::slice;
use std::sync::Arc;

use crate::batch::Index;
use crate::import::context::Context;
use crate::import::create_once::{Caller, Creation, LookError, create_once, only};
use crate::import::error::{StepError, Whose};
use crate::import::row::{RowInFlight, WorkRow};
use crate::import::users::{KnownUser, Origin};
use crate::model::user_digest;
use crate::model::{State, Step};
use crate::secret::SecretValue;
use crate::tray::operations::{self as ops, CREATE_EXTERNAL_USER, ListedUser, Operation, USERS};
use crate::tray::outcome::Trouble;
use crate::tray::paginate::paginate;
use crate::tray::session::{Organisation, User};
use crate::tray::transport::Transport;

const STEP: Step = Step::User;

/// Lists the end users that exist, so that no row pays a look-up for what cannot exist; unless asking for each
/// one would cost less. Where the list cannot be read to its end, each one is asked for.
pub(in crate::import) async fn list_users<T: Transport>(
    ctx: &Context<T>,
    index: &Index,
) -> Result<(), Trouble> {
    let mut pages = paginate::<ListedUser>(&["users"]);
    while pages.more() && pages.count() < ctx.users.unknown && !ctx.stop().is_set() {
        let variables = ops::users(None, pages.after());
        let data = ctx.tray.call(&USERS, variables).await?;
        let page = match pages.receive(&data) {
            Ok(page) => page,
            Err(Trouble::Refused(why)) => {
                tracing::warn!("{why}; each end user is asked for instead");
                break;
            }
            Err(trouble) => return Err(trouble),
        };
        for user in page {
            let Some(external_user_id) = user.external_user_id else {
                continue;
            };
            if let Some(number) = index.users.number(user_digest(&external_user_id)) {
                ctx.users.found(number, user.id);
            }
        }
    }
    tracing::debug!(
        pages = pages.count(),
        whole = !pages.more(),
        "end users are listed"
    );
    ctx.users.listed(!pages.more());
    Ok(())
}

/// Brings the row to where its end user exists and is known. All rows of one end user wait here for the first.
pub(in crate::import) async fn user<T: Transport>(
    ctx: &Context<T>,
    work: &WorkRow,
    row: &mut RowInFlight,
) -> Result<(), StepError> {
    let user = Arc::clone(&row.user);
    let mut state = user.state.lock().await;
    if let Some(failed) = &state.failed {
        return Err(failed.clone());
    }
    if state.known.is_none() {
        match find_or_create(ctx, work, row, state.open).await {
            Ok(known) => state.known = Some(known),
            Err(error) => {
                if matches!(error, StepError::Failed(_)) {
                    state.failed = Some(error.clone());
                }
                return Err(error);
            }
        }
    }
    let Some(known) = &mut state.known else {
        return Err(StepError::Stopped);
    };
    if known.several {
        return Err(several(&work.external_user_id));
    }
    let ours = known.origin != Origin::Found;
    if std::mem::take(&mut known.listed) {
        ctx.tally.counts().brought(STEP, ours);
    }
    if row.progress.user_id.is_none() {
        row.has(STEP, &known.id, ours);
    }
    (user.shared).get_or_init(|| Arc::new(User::new(known.id.clone())));
    Ok(())
}

async fn find_or_create<T: Transport>(
    ctx: &Context<T>,
    work: &WorkRow,
    row: &mut RowInFlight,
    open: Option<Whose>,
) -> Result<KnownUser, StepError> {
    if ctx.stop().is_set() {
        return Err(StepError::Stopped);
    }
    let new = NewUser {
        organisation: ctx.organisation(row),
        work,
        test_user: ctx.settings.test_users,
    };
    if open.is_none() && !ctx.users.all_listed() {
        let found = new.organisation.users_of(&work.external_user_id).await;
        let found = found.map_err(|trouble| ctx.error(&trouble, STEP))?;
        if let Some(id) = only(found, || several(&work.external_user_id))? {
            ctx.tally.counts().brought(STEP, false);
            return Ok(KnownUser::new(id, Origin::Found));
        }
    }
    let created = create_once(ctx, &new, slice::from_mut(row), open).await?;
    let ours = created.whose == Whose::Ours;
    ctx.tally.counts().brought(STEP, ours);
    if !ours {
        return Ok(KnownUser::new(created.id, Origin::Found));
    }
    row.has(STEP, &created.id, true);
    ctx.enter(slice::from_mut(row), State::Partial, Some(STEP))
        .await?;
    // what was sent by this run, for a user who did not exist, owns nothing yet
    let origin = if created.sent_here {
        Origin::ThisRun
    } else {
        Origin::EarlierRun
    };
    Ok(KnownUser::new(created.id, origin))
}

struct NewUser<'w, T> {
    organisation: Organisation<T>,
    work: &'w WorkRow,
    test_user: bool,
}

impl<T: Transport> Creation<T> for NewUser<'_, T> {
    const STEP: Step = STEP;
    const OPERATION: &'static Operation = &CREATE_EXTERNAL_USER;
    type Found = String;

    fn caller(&self) -> Caller<'_, T> {
        Caller::Organisation(&self.organisation)
    }

    fn variables(&self) -> SecretValue {
        let WorkRow {
            external_user_id,
            user_name,
            ..
        } = self.work;
        ops::create_external_user(external_user_id, user_name, self.test_user)
    }

    async fn look(&self) -> Result<Vec<String>, LookError> {
        Ok(self
            .organisation
            .users_of(&self.work.external_user_id)
            .await?)
    }

    fn several(&self) -> StepError {
        several(&self.work.external_user_id)
    }
}

fn several(external_user_id: &str) -> StepError {
    let what = format!("Tray has several end users with the externalUserId {external_user_id}");
    StepError::several(STEP, &what)
}
