# Holds one server and its folder for a test: keeper.sh FOLDER SIGNAL PROGRAM ARGS…
# Each line on stdin starts the program, writing `log`, `pid` and, when it has ended, `exit`.
# The end of stdin, which comes with the death of the test process too, ends both.
folder=$1
signal=$2
shift 2

end() {
    if [ -s pid ] && [ ! -e exit ]; then
        kill -s "$signal" "$(cat pid)"
        kill -s CONT "$(cat pid)"
    fi
    wait
    cd / && rm -rf "$folder"
}
trap end EXIT
# A limit of the size of files fails a write, as a full disk does; it does not end the program.
trap '' XFSZ

while read -r _; do
    {
        sh -c 'echo $$ >pid.new; mv pid.new pid; exec "$@"' sh "$@" >>log 2>&1
        echo $? >exit.new
        mv exit.new exit
    } &
done
