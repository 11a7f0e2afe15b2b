//! The mapping that is used when none is given: columns by the names that they commonly bear.

use super::map::{Cell, FactMap, Mapping, OccasionMap, PatientMap, RelationMap};

/// A mapping for a table with these columns.
pub(super) fn mapping(header: &[String]) -> Mapping {
    let find = |names: &[&str]| {
        let column = names
            .iter()
            .find_map(|name| header.iter().find(|column| bare(column) == bare(name)));
        column.map(|column| Cell::column(column))
    };
    let all = |names: &[&str]| {
        let columns: Vec<String> = names
            .iter()
            .filter_map(|name| header.iter().find(|column| bare(column) == bare(name)))
            .cloned()
            .collect();
        (!columns.is_empty()).then(|| Cell {
            columns,
            ..Cell::default()
        })
    };
    let patient = PatientMap {
        key: find(&[
            "patient_id",
            "patient_key",
            "patient_no",
            "patient_number",
            "patient",
            "mrn",
            "medical_record_number",
            "病历号",
            "病案号",
            "病人ID",
            "患者ID",
            "病人编号",
            "患者编号",
            "病人号",
            "门诊号",
            "住院号",
            "就诊卡号",
            "卡号",
            "id",
        ]),
        name: find(&[
            "name",
            "full_name",
            "patient_name",
            "姓名",
            "患者姓名",
            "病人姓名",
        ]),
        family_name: find(&["family_name", "last_name", "surname", "姓", "姓氏"]),
        given_name: find(&["given_name", "first_name", "名"]),
        sex: find(&["sex", "gender", "性别"]),
        birth_on: find(&[
            "birth_date",
            "birth_on",
            "birthday",
            "date_of_birth",
            "dob",
            "出生日期",
            "出生年月日",
            "出生年月",
            "生日",
        ]),
        lunar_birthday: find(&["lunar_birthday", "农历生日", "阴历生日"]),
        phone: all(&[
            "mobile",
            "mobile_phone",
            "mobile_number",
            "cell_phone",
            "cell",
            "手机",
            "手机号",
            "手机号码",
            "移动电话",
            "phone",
            "phone_number",
            "telephone",
            "tel",
            "联系电话",
            "联系方式",
            "电话",
            "电话号码",
            "home_phone",
            "家庭电话",
        ]),
        email: find(&[
            "email",
            "email_address",
            "mail",
            "邮箱",
            "电子邮箱",
            "电子邮件",
        ]),
        language: find(&["language", "lang", "preferred_language", "语言"]),
        deceased: find(&[
            "deceased",
            "dead",
            "is_deceased",
            "死亡",
            "是否死亡",
            "已故",
        ]),
        tags: find(&["tags", "标签"]),
        opt_out: find(&["opt_out", "拒收", "退订"]),
        sensitive: find(&[
            "sensitive",
            "confidential",
            "敏感",
            "是否敏感",
            "保密",
            "是否保密",
        ]),
        flags: find(&["flag", "flags", "security", "vip", "标志", "标识", "身份"]),
        ..PatientMap::default()
    };
    let relation = RelationMap {
        kind: find(&[
            "relation",
            "relationship",
            "contact_relation",
            "关系",
            "与患者关系",
            "联系人关系",
            "家属关系",
        ]),
        name: find(&[
            "contact_name",
            "guardian_name",
            "relative_name",
            "联系人",
            "联系人姓名",
            "家属姓名",
            "监护人",
            "监护人姓名",
        ]),
        phone: all(&[
            "contact_phone",
            "guardian_phone",
            "relative_phone",
            "联系人电话",
            "联系人手机",
            "家属电话",
            "家属手机",
            "监护人电话",
        ]),
        email: find(&["contact_email", "guardian_email", "联系人邮箱", "家属邮箱"]),
        consented: find(&[
            "contact_consented",
            "consented",
            "guardian_consented",
            "家属同意",
            "是否同意通知家属",
            "同意通知家属",
        ]),
        ..RelationMap::default()
    };
    let mut occasion = OccasionMap {
        key: find(&[
            "appointment_id",
            "appointment_no",
            "booking_id",
            "occasion_id",
            "occasion",
            "appointment_key",
            "预约号",
            "预约编号",
            "预约ID",
            "预约单号",
            "挂号单号",
        ]),
        kind: find(&[
            "kind",
            "type",
            "appointment_type",
            "visit_type",
            "预约类型",
            "就诊类型",
            "类型",
        ]),
        at: find(&[
            "appointment_at",
            "appointment_time",
            "appointment_datetime",
            "datetime",
            "date_time",
            "start",
            "start_time",
            "scheduled_at",
            "at",
            "预约时间",
            "就诊时间",
            "复诊时间",
            "复查时间",
        ]),
        date: find(&[
            "appointment_date",
            "date",
            "visit_date",
            "预约日期",
            "就诊日期",
            "复诊日期",
            "复查日期",
        ]),
        time: find(&["time", "visit_time", "时间", "时段"]),
        status: find(&["status", "appointment_status", "状态", "预约状态"]),
        created_at: find(&[
            "created_at",
            "created",
            "booked_at",
            "booked_on",
            "创建时间",
            "登记时间",
            "预约登记时间",
        ]),
        department: find(&[
            "department",
            "dept",
            "clinic",
            "科室",
            "科室名称",
            "预约科室",
            "就诊科室",
        ]),
        doctor: find(&[
            "doctor",
            "physician",
            "provider",
            "practitioner",
            "医生",
            "医师",
            "医生姓名",
            "预约医生",
        ]),
        place: find(&[
            "place",
            "location",
            "room",
            "address",
            "地点",
            "诊室",
            "就诊地点",
            "位置",
        ]),
        version: find(&["version", "版本"]),
        ..OccasionMap::default()
    };
    // A table of bookings with a plain `id` beside the patient's.
    if occasion.key.is_none() && patient.key != find(&["id"]) {
        occasion.key = find(&["id", "编号", "序号"]);
    }
    let fact = FactMap {
        code: find(&[
            "diagnosis_code",
            "icd",
            "icd10",
            "icd_10",
            "diagnosis",
            "诊断编码",
            "诊断代码",
            "ICD编码",
            "疾病编码",
        ]),
        on: find(&[
            "diagnosis_date",
            "diagnosed_on",
            "onset",
            "诊断日期",
            "确诊日期",
        ]),
        ..FactMap::default()
    };
    let has = |cell: &Option<Cell>| cell.is_some();
    Mapping {
        relation: if has(&relation.phone) || has(&relation.email) {
            vec![relation]
        } else {
            Vec::new()
        },
        occasion: if has(&occasion.at) || has(&occasion.date) {
            vec![occasion]
        } else {
            Vec::new()
        },
        fact: if has(&fact.code) {
            vec![fact]
        } else {
            Vec::new()
        },
        patient,
        ..Mapping::default()
    }
}

/// A name without case, spaces and signs, and without a note in brackets.
fn bare(name: &str) -> String {
    let plain = crate::intake::moment::plain(name).to_lowercase();
    let plain = plain.split('(').next().unwrap_or_default();
    plain.chars().filter(|c| c.is_alphanumeric()).collect()
}
