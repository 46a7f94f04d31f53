//! What the system has dropped of a UDP socket's datagrams: it counts them in `/proc/net/udp`.

use std::os::fd::BorrowedFd;

use rustix::fs::fstat;

/// Where it stands; the second is for IPv6.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// The drops of one socket.
pub(super) struct KernelDrops {
    inode: Option<u64>,
    /// How many there were at the last look.
    before: u64,
}

impl KernelDrops {
    /// Those of a socket; none are ever seen where the system does not say what it is.
    pub(super) fn of(socket: BorrowedFd<'_>) -> Self {
        Self { inode: fstat(socket).ok().map(|stat| stat.st_ino), before: 0 }
    }

    /// How many there are since the last look.
    pub(super) async fn look(&mut self) -> u64 {
        let Some(inode) = self.inode else { return 0 };
        // The tables are of the whole machine, and may be long.
        let looking = tokio::task::spawn_blocking(move || {
            TABLES.iter().find_map(|table| drops(&std::fs::read_to_string(table).ok()?, inode))
        });
        let now = looking.await.ok().flatten().unwrap_or(self.before);
        now.saturating_sub(std::mem::replace(&mut self.before, now))
    }
}

/// The drops of the socket with this inode: the last column, where the inode is the tenth.
fn drops(table: &str, inode: u64) -> Option<u64> {
    let mut sockets = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let socket = sockets.find(|columns| columns.get(9).and_then(|text| text.parse().ok()) == Some(inode))?;
    socket.last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drops_of_a_socket_stand_in_its_line() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n  \
             462: 0100007F:07D3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1234 2 0000000000000000 17\n  \
             463: 0100007F:07D4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 12345 2 0000000000000000 3\n";
        assert_eq!((drops(table, 1234), drops(table, 12345), drops(table, 1)), (Some(17), Some(3), None));
    }
}
