//! The results of operations (SMPP v5.0 4.7.6).

use std::fmt;

/// A command_status. Any number is a value: vendors have their own from 0x400 to 0x4FF.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Status(pub u32);

macro_rules! statuses {
    ($($status:literal $constant:ident;)*) => {
        impl Status {
            $(#[doc = concat!("`", stringify!($constant), "`, ", stringify!($status), ".")]
            pub const $constant: Self = Self($status);)*

            /// The specification's name, or `unknown`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 { $($status => stringify!($constant),)* _ => "unknown" }
            }

            /// Whether SMPP v5.0 specifies this status.
            #[must_use]
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($status)|*)
            }
        }
    };
}

statuses! {
    0x000 ESME_ROK;
    0x001 ESME_RINVMSGLEN;
    0x002 ESME_RINVCMDLEN;
    0x003 ESME_RINVCMDID;
    0x004 ESME_RINVBNDSTS;
    0x005 ESME_RALYBND;
    0x006 ESME_RINVPRTFLG;
    0x007 ESME_RINVREGDLVFLG;
    0x008 ESME_RSYSERR;
    0x00A ESME_RINVSRCADR;
    0x00B ESME_RINVDSTADR;
    0x00C ESME_RINVMSGID;
    0x00D ESME_RBINDFAIL;
    0x00E ESME_RINVPASWD;
    0x00F ESME_RINVSYSID;
    0x011 ESME_RCANCELFAIL;
    0x013 ESME_RREPLACEFAIL;
    0x014 ESME_RMSGQFUL;
    0x015 ESME_RINVSERTYP;
    0x033 ESME_RINVNUMDESTS;
    0x034 ESME_RINVDLNAME;
    0x040 ESME_RINVDESTFLAG;
    0x042 ESME_RINVSUBREP;
    0x043 ESME_RINVESMCLASS;
    0x044 ESME_RCNTSUBDL;
    0x045 ESME_RSUBMITFAIL;
    0x048 ESME_RINVSRCTON;
    0x049 ESME_RINVSRCNPI;
    0x050 ESME_RINVDSTTON;
    0x051 ESME_RINVDSTNPI;
    0x053 ESME_RINVSYSTYP;
    0x054 ESME_RINVREPFLAG;
    0x055 ESME_RINVNUMMSGS;
    0x058 ESME_RTHROTTLED;
    0x061 ESME_RINVSCHED;
    0x062 ESME_RINVEXPIRY;
    0x063 ESME_RINVDFTMSGID;
    0x064 ESME_RX_T_APPN;
    0x065 ESME_RX_P_APPN;
    0x066 ESME_RX_R_APPN;
    0x067 ESME_RQUERYFAIL;
    0x0C0 ESME_RINVTLVSTREAM;
    0x0C1 ESME_RTLVNOTALLWD;
    0x0C2 ESME_RINVTLVLEN;
    0x0C3 ESME_RMISSINGTLV;
    0x0C4 ESME_RINVTLVVAL;
    0x0FE ESME_RDELIVERYFAILURE;
    0x0FF ESME_RUNKNOWNERR;
    0x100 ESME_RSERTYPUNAUTH;
    0x101 ESME_RPROHIBITED;
    0x102 ESME_RSERTYPUNAVAIL;
    0x103 ESME_RSERTYPDENIED;
    0x104 ESME_RINVDCS;
    0x105 ESME_RINVSRCADDRSUBUNIT;
    0x106 ESME_RINVDSTADDRSUBUNIT;
    0x107 ESME_RINVBCASTFREQINT;
    0x108 ESME_RINVBCASTALIAS_NAME;
    0x109 ESME_RINVBCASTAREAFMT;
    0x10A ESME_RINVNUMBCAST_AREAS;
    0x10B ESME_RINVBCASTCNTTYPE;
    0x10C ESME_RINVBCASTMSGCLASS;
    0x10D ESME_RBCASTFAIL;
    0x10E ESME_RBCASTQUERYFAIL;
    0x10F ESME_RBCASTCANCELFAIL;
    0x110 ESME_RINVBCAST_REP;
    0x111 ESME_RINVBCASTSRVGRP;
    0x112 ESME_RINVBCASTCHANIND;
}

impl Status {
    /// Whether this is `ESME_ROK`.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether an error speaks of a moment, so that the same message may be taken later: no room, too fast, a
    /// fault of the peer's own. Every other error would come again.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::ESME_RSYSERR | Self::ESME_RMSGQFUL | Self::ESME_RTHROTTLED | Self::ESME_RX_T_APPN
        )
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() { f.write_str(self.name()) } else { write!(f, "status {:#010x}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusmpp_core::CommandStatus;

    #[test]
    fn the_statuses_are_the_oracles() {
        for status in 0..=0x200 {
            let known = !matches!(CommandStatus::from(status), CommandStatus::Other(_));
            assert_eq!(Status(status).is_known(), known, "{status:#x}");
        }
        assert_eq!(Status::ESME_RX_T_APPN.0, u32::from(CommandStatus::EsmeRxTAppn));
    }
}
