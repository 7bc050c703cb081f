//! The operations of SMPP v3.4 and v5.0 (v5.0 4.7.5).

use std::fmt;

/// A command_id. Any number is a value; [`Command::is_known`] tells the specified ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u32);

/// Bit 31 tells a response from its request.
const RESPONSE: u32 = 0x8000_0000;

macro_rules! commands {
    ($($id:literal $constant:ident $name:literal;)*) => {
        impl Command {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Self = Self($id);)*

            /// The specification's name, or `unknown`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 { $($id => $name,)* _ => "unknown" }
            }

            /// Whether SMPP v3.4 or v5.0 specifies this command_id.
            #[must_use]
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($id)|*)
            }
        }
    };
}

commands! {
    0x0000_0001 BIND_RECEIVER "bind_receiver";
    0x0000_0002 BIND_TRANSMITTER "bind_transmitter";
    0x0000_0003 QUERY_SM "query_sm";
    0x0000_0004 SUBMIT_SM "submit_sm";
    0x0000_0005 DELIVER_SM "deliver_sm";
    0x0000_0006 UNBIND "unbind";
    0x0000_0007 REPLACE_SM "replace_sm";
    0x0000_0008 CANCEL_SM "cancel_sm";
    0x0000_0009 BIND_TRANSCEIVER "bind_transceiver";
    0x0000_000B OUTBIND "outbind";
    0x0000_0015 ENQUIRE_LINK "enquire_link";
    0x0000_0021 SUBMIT_MULTI "submit_multi";
    0x0000_0102 ALERT_NOTIFICATION "alert_notification";
    0x0000_0103 DATA_SM "data_sm";
    0x0000_0111 BROADCAST_SM "broadcast_sm";
    0x0000_0112 QUERY_BROADCAST_SM "query_broadcast_sm";
    0x0000_0113 CANCEL_BROADCAST_SM "cancel_broadcast_sm";
    0x8000_0000 GENERIC_NACK "generic_nack";
    0x8000_0001 BIND_RECEIVER_RESP "bind_receiver_resp";
    0x8000_0002 BIND_TRANSMITTER_RESP "bind_transmitter_resp";
    0x8000_0003 QUERY_SM_RESP "query_sm_resp";
    0x8000_0004 SUBMIT_SM_RESP "submit_sm_resp";
    0x8000_0005 DELIVER_SM_RESP "deliver_sm_resp";
    0x8000_0006 UNBIND_RESP "unbind_resp";
    0x8000_0007 REPLACE_SM_RESP "replace_sm_resp";
    0x8000_0008 CANCEL_SM_RESP "cancel_sm_resp";
    0x8000_0009 BIND_TRANSCEIVER_RESP "bind_transceiver_resp";
    0x8000_0015 ENQUIRE_LINK_RESP "enquire_link_resp";
    0x8000_0021 SUBMIT_MULTI_RESP "submit_multi_resp";
    0x8000_0103 DATA_SM_RESP "data_sm_resp";
    0x8000_0111 BROADCAST_SM_RESP "broadcast_sm_resp";
    0x8000_0112 QUERY_BROADCAST_SM_RESP "query_broadcast_sm_resp";
    0x8000_0113 CANCEL_BROADCAST_SM_RESP "cancel_broadcast_sm_resp";
}

impl Command {
    /// Whether bit 31 marks a response. generic_nack counts as one.
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.0 & RESPONSE != 0
    }

    /// The response that belongs to this request: generic_nack where the specification has none.
    #[must_use]
    pub const fn response(self) -> Self {
        let response = Self(self.0 | RESPONSE);
        if response.is_known() { response } else { Self::GENERIC_NACK }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() { f.write_str(self.name()) } else { write!(f, "command {:#010x}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusmpp_core::CommandId;

    #[test]
    fn the_ids_are_the_oracles() {
        for id in (0..=0x1FF).chain(RESPONSE..=RESPONSE + 0x1FF) {
            let known = !matches!(CommandId::from(id), CommandId::Other(_));
            assert_eq!(Command(id).is_known(), known, "{id:#x}");
        }
    }

    #[test]
    fn a_request_without_a_response_of_its_own_is_nacked() {
        assert_eq!(Command::SUBMIT_SM.response(), Command::SUBMIT_SM_RESP);
        assert_eq!(Command::OUTBIND.response(), Command::GENERIC_NACK);
        assert_eq!(Command(0x77).response(), Command::GENERIC_NACK);
    }
}
