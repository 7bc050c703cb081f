//! The population register's extract that the gateway holds.
