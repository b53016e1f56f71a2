use ciro_cairo::{Compiler, Package, run};
use starknet_types_core::felt::Felt;

fn rss() -> String {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines().filter(|l| l.starts_with("VmHWM")).collect()
}

#[test]
fn t() {
    let mut package = Package { name: "scratch".into(), ..Default::default() };
    let dir = std::env::var("SCRATCH").unwrap_or("/tmp/scratch".into());
    for f in std::fs::read_dir(format!("{dir}/src")).unwrap() {
        let f = f.unwrap();
        package.files.insert(
            format!("src/{}", f.file_name().into_string().unwrap()),
            std::fs::read_to_string(f.path()).unwrap(),
        );
    }
    let t = std::time::Instant::now();
    let mut c = Compiler::new().unwrap();
    let p = match c.compile(&package) {
        Ok(p) => p,
        Err(e) => {
            println!("{e}");
            panic!()
        }
    };
    println!(
        "compile {:?} bytecode {} builtins {:?} hash {}",
        t.elapsed(),
        p.bytecode().len(),
        p.builtins(),
        p.hash()
    );
    let args: Vec<Felt> = std::fs::read_to_string(format!("{dir}/args"))
        .unwrap()
        .split_whitespace()
        .map(|s| Felt::from_dec_str(s).unwrap())
        .collect();
    let t = std::time::Instant::now();
    let e = match run(&p, Some(&package), &args) {
        Ok(e) => {
            println!(
                "run {:?} steps {} output {:?}",
                t.elapsed(),
                e.steps,
                e.output.iter().take(10).map(|f| f.to_string()).collect::<Vec<_>>()
            );
            e
        }
        Err(e) => {
            println!("{e}");
            panic!()
        }
    };
    if let Ok(l) = std::env::var("PROVE") {
        let proof = ciro_cairo::prove::prove(&p, &e, l.parse().unwrap());
        ciro_cairo::prove::verify(proof);
        println!("{}", rss());
        if std::env::var("TWICE").is_ok() {
            let t = std::time::Instant::now();
            let _proof = ciro_cairo::prove::prove(&p, &e, l.parse().unwrap());
            println!("second {:?} {}", t.elapsed(), rss());
        }
    }
}
