Console.WriteLine("premortem-sidecar");
