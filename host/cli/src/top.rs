//! `saker top`: a live view of a running agent. The host comes first, plugins and the flow of points are a key away.

mod agent;
mod host;
mod keys;

use std::io::IsTerminal;
use std::time::Instant;

use rustix::termios::tcgetwinsize;

use crate::args::TopArgs;
use crate::printing::{print, reader_is_gone};
use agent::Look;
use host::Host;
use keys::Keys;

/// Goes to the screen's first place, and clears each line's rest and what is below: without a flicker.
const HOME: &str = "\x1b[H";
const LINE_REST: &str = "\x1b[K\n";
const BELOW: &str = "\x1b[J";
/// A terminal that does not say how wide it is.
const WIDTH: usize = 80;

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Host,
    Plugins,
    Flow,
}

pub fn top(args: &TopArgs) -> anyhow::Result<()> {
    let on_screen = std::io::stdout().is_terminal();
    let mut keys = on_screen.then(Keys::read).flatten();
    crate::runtime()?.block_on(async {
        let (mut before, mut view, mut times): (Option<Look>, _, _) = (None, View::Host, 0);
        loop {
            let text = match look(args).await {
                Ok((host, look)) => {
                    let text = if on_screen {
                        screen(view, &host, &look, before.as_ref())
                    } else {
                        all(&host, &look, before.as_ref())
                    };
                    before = Some(look);
                    text
                }
                // An agent that has answered once may come back; what it counted then begins anew.
                Err(error) if on_screen && before.is_some() => format!("{error:#}\n\nwaiting for it; q leaves\n"),
                Err(error) => return Err(error),
            };
            if on_screen {
                print(format_args!("{}", painted(&text)))?;
            } else {
                print(format_args!("{text}"))?;
            }
            times += 1;
            if times == args.times || reader_is_gone() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(args.interval) => {}
                key = keys::next(&mut keys) => match key {
                    b'q' | b'Q' => return Ok(()),
                    b'p' => view = View::Plugins,
                    b'f' => view = View::Flow,
                    _ => view = View::Host,
                },
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    })
}

async fn look(args: &TopArgs) -> anyhow::Result<(Host, Look)> {
    Ok((Host::ask(&args.client).await?, Look::ask(&args.client, Instant::now()).await?))
}

fn screen(view: View, host: &Host, look: &Look, before: Option<&Look>) -> String {
    let head = format!("{}\nh host   p plugins   f flow   q quit\n\n", look.title());
    head + &match view {
        View::Host => host.render(),
        View::Plugins => look.plugins(before),
        View::Flow => look.flow(before),
    }
}

/// The text over what was there, each line within the terminal.
fn painted(text: &str) -> String {
    let width = tcgetwinsize(std::io::stdout()).ok().map_or(WIDTH, |size| usize::from(size.ws_col).max(1));
    let mut out = String::from(HOME);
    for line in text.lines() {
        out.extend(line.chars().take(width));
        out.push_str(LINE_REST);
    }
    out.push_str(BELOW);
    out
}

/// For who reads it elsewhere: everything, one below the other.
fn all(host: &Host, look: &Look, before: Option<&Look>) -> String {
    format!("{}\n\n{}\n{}\n{}", look.title(), host.render(), look.plugins(before), look.flow(before))
}
