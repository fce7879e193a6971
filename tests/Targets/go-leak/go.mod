module premortem.dev/samples/go-leak

go 1.19
