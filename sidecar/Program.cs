using Premortem.Sidecar.Hosting;

return await SidecarCommands.RunAsync(args);
