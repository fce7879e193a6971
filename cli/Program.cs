Console.WriteLine("premortem");
