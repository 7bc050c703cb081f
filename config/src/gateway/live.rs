//! What a running gateway takes from a configuration that is read again.

use super::Config;

impl Config {
    /// The keys and sections that differ from `running` and take effect at the next start only. The others, operators,
    /// certificates, short numbers and session timers, are taken at once or with the next session.
    #[must_use]
    pub fn settled(&self, running: &Self) -> Vec<&'static str> {
        let (smpp, was) = (&self.smpp, &running.smpp);
        let kept = [
            ("node.id", self.node == running.node),
            ("smpp.listen", smpp.listen == was.listen),
            ("smpp.tls_listen", smpp.tls_listen == was.tls_listen),
            ("smpp.country_code", smpp.country_code == was.country_code),
            ("smpp.national_digits", smpp.national_digits == was.national_digits),
            ("smpp.dedupe_s", smpp.dedupe == was.dedupe),
            ("smpp.answer_lifetime_s", smpp.answer_lifetime == was.answer_lifetime),
            ("smpp.drain_s", smpp.drain == was.drain),
            ("smpp.sessions_max", smpp.sessions_max == was.sessions_max),
            ("smpp.unbound_sessions_max", smpp.unbound_sessions_max == was.unbound_sessions_max),
            ("smpp.parts_timeout_s", smpp.parts_timeout == was.parts_timeout),
            ("smpp.parts_keep_s", smpp.parts_keep == was.parts_keep),
            ("smpp.parts_max", smpp.parts_max == was.parts_max),
            ("limits", self.limits == running.limits),
            ("probe", self.probe == running.probe),
            ("http", self.http == running.http),
            ("oidc", self.oidc == running.oidc),
            ("store", self.store == running.store),
            ("retention", self.retention == running.retention),
            ("register", self.register == running.register),
            ("regime", self.regime == running.regime),
            ("replies", self.replies == running.replies),
            ("redis", self.redis == running.redis),
            ("log", self.log == running.log),
        ];
        kept.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}
