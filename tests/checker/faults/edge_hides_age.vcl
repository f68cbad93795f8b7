
# A cache that says that it purged, and that every answer is new.
sub vcl_recv {
    if (req.method == "PURGE") {
        return (synth(200, "Purged 0"));
    }
}

sub vcl_deliver {
    set resp.http.Age = "0";
}
