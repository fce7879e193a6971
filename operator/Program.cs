using Premortem.Operator.Hosting;

// run:   OperatorProcess   puts the parts together, in the order in which they start
//        InjectionEndpoint a pod is made: Injection/PodInjector decides
//        PolicyStatuses    which pods a policy has: PolicyController writes its status, SettingsController the pods' settings
//        Records           what sidecars report becomes ProfileCaptures and Events
// check: CheckCommand      what is missing in the cluster
return await OperatorCommands.RunAsync(args);
