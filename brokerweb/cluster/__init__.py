"""The nodes of a broker. One, embedded; more share a database when it is scaled out."""
