using Premortem.Sidecar.Hosting;

return await SidecarCommands.Create().Parse(args).InvokeAsync();
